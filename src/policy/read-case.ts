import { subjectKind } from '../model/subject-kind.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { PolicyClient, PolicyDocument } from './document.ts'
import { type OccasionFacts, occasionFacts } from './occasion-facts.ts'
import { readActor, readParty } from './party.ts'
import type { PolicyQuestion } from './question.ts'
import type { Case } from './rule.ts'

/** Works out of a question what several rules look at. */
export type ReadCase = (question: PolicyQuestion, client: PolicyClient, caseId: string | undefined) => Case

/**
 * Prepares the reading of cases. What a subject token alone says is read once for each token; facts for conditions are put
 * together when the first one asks.
 *
 * @param server issuer identifier of the token service whose clients the document speaks of
 */
export function createCaseReader(document: PolicyDocument, server: string): ReadCase {
  const remembered = new WeakMap<VerifiedToken, NonNullable<Case['subject']>>()

  const readSubject = (token: VerifiedToken): NonNullable<Case['subject']> => {
    let subject = remembered.get(token)
    if (subject === undefined) {
      subject = { ...readParty(token, document.claims, server), token, kind: subjectKind(token) }
      remembered.set(token, subject)
    }
    return subject
  }

  return (question, client, caseId) => {
    const { subject, actorToken, audience, scope, ticket, context } = question
    const actor = readActor(question, document, server)
    let facts: OccasionFacts | undefined
    return {
      client,
      audience,
      scope,
      subject: subject && readSubject(subject),
      actor,
      login: actorToken ?? subject,
      caseId,
      ticket,
      context,
      server,
      facts() {
        facts ??= occasionFacts(subject, actor, client, audience, { ...context, caseId })
        return facts
      },
    }
  }
}
