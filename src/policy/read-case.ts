import { fail, ok, type Result } from '../base/result.ts'
import { subjectKind } from '../model/subject-kind.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { PolicyClient, PolicyDocument } from './document.ts'
import { isNamedByMayAct } from './may-act.ts'
import { type OccasionFacts, occasionFacts } from './occasion-facts.ts'
import { type ActingParty, readParty, readTokenActor } from './party.ts'
import type { PolicyQuestion } from './question.ts'
import type { Case } from './rule.ts'

/** Works out of a question what several rules look at. The error is why no rule is asked. */
export type ReadCase = (question: PolicyQuestion, client: PolicyClient) => Result<Case, string>

/** What a subject token alone says. */
interface SubjectReading {
  readonly subject: NonNullable<Case['subject']>
  /** The outermost `act`. */
  readonly actor: ActingParty | undefined
  /** `case_id`. */
  readonly caseId: string | undefined
  readonly mayAct: unknown
}

const noReading: Partial<SubjectReading> = Object.freeze({})

/**
 * Prepares the reading of cases. What a token alone says is read once for each token; facts for conditions are put
 * together when the first one asks.
 *
 * @param server issuer identifier of the token service whose clients the document speaks of
 */
export function createCaseReader(document: PolicyDocument, server: string): ReadCase {
  const subjects = new WeakMap<VerifiedToken, SubjectReading>()
  const people = new WeakMap<VerifiedToken, Result<ActingParty, string>>()

  const readSubject = (token: VerifiedToken): SubjectReading => {
    let reading = subjects.get(token)
    if (reading === undefined) {
      const subject = { ...readParty(token, document.claims, server), token, kind: subjectKind(token) }
      const actor = readTokenActor(token, document, server)
      reading = { subject, actor, caseId: claimedCase(subject.claims), mayAct: subject.claims['may_act'] }
      subjects.set(token, reading)
    }
    return reading
  }

  const readPerson = (token: VerifiedToken): Result<ActingParty, string> => {
    let person = people.get(token)
    if (person === undefined) {
      const party = readParty(token, document.claims, server)
      const isMachine = subjectKind(token) === 'machine'
      person = isMachine ? fail('a machine is no person who acts') : ok({ ...party, kind: 'person' })
      people.set(token, person)
    }
    return person
  }

  return (question, client) => {
    const { subject, actorToken, audience, scope, ticket, context } = question
    const reading = subject === undefined ? noReading : readSubject(subject)
    let { actor } = reading
    if (actorToken !== undefined) {
      if (isOneAndTheSame(subject, actorToken)) return fail('nobody acts for themselves')
      const person = readPerson(actorToken)
      if (!person.ok) return person
      actor = person.value
    }
    if (reading.mayAct !== undefined && !isNamed(reading.mayAct, question, server)) {
      return fail('may_act names another actor')
    }
    const caseId = joinCaseIds(reading.caseId, context.caseId)
    if (!caseId.ok) return caseId
    let facts: OccasionFacts | undefined
    return ok({
      client,
      audience,
      scope,
      subject: reading.subject,
      actor,
      login: actorToken ?? subject,
      caseId: caseId.value,
      ticket,
      context,
      server,
      facts() {
        facts ??= occasionFacts(subject, actor, client, audience, { ...context, caseId: caseId.value })
        return facts
      },
    })
  }
}

/** Who acts with another token of the subject is no second person. */
function isOneAndTheSame(subject: VerifiedToken | undefined, actorToken: VerifiedToken): boolean {
  return subject?.subject === actorToken.subject && subject.issuer === actorToken.issuer
}

/** `may_act` is for delegation (RFC 8693 §4.4): what it permits is to be named, not to disappear. */
function isNamed(mayAct: unknown, { mode, client, actorToken }: PolicyQuestion, server: string): boolean {
  if (mode !== 'delegation') return false
  if (actorToken === undefined) return isNamedByMayAct(mayAct, { id: client, issuer: server })
  const { subject: id, issuer, clientId } = actorToken
  return isNamedByMayAct(mayAct, { id, issuer, clientId })
}

/**
 * The case of a question: the token's, else the one that the request names. The error says that they are two.
 *
 * @param named by the request
 */
export function caseIdOf(
  subject: VerifiedToken | undefined,
  named: string | undefined,
): Result<string | undefined, string> {
  return joinCaseIds(subject && claimedCase(subject.claims), named)
}

function claimedCase({ case_id: caseId }: VerifiedToken['claims']): string | undefined {
  return typeof caseId === 'string' && caseId !== '' ? caseId : undefined
}

function joinCaseIds(
  claimed: string | undefined,
  named: string | undefined,
): Result<string | undefined, string> {
  if (claimed === undefined || named === undefined || claimed === named) return ok(claimed ?? named)
  return fail('the request names another case than its token')
}
