import { fail, ok, type Result } from '../base/result.ts'
import { subjectKind } from '../model/subject-kind.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { isCaseId } from '../oauth/case-id.ts'
import type { PolicyClient, PolicyDocument } from './document.ts'
import { isNamedByMayAct } from './may-act.ts'
import { type OccasionFacts, occasionFacts } from './occasion-facts.ts'
import { type ActingParty, type Party, readParty, readTokenActor } from './party.ts'
import type { PolicyQuestion } from './question.ts'
import type { Case } from './rule.ts'

/** Works out of a question what several rules look at. The error is why no rule is asked. */
export type ReadCase = (question: PolicyQuestion, client: PolicyClient) => Result<Case, string>

/** What a subject token alone says. */
interface SubjectReading {
  readonly subject: NonNullable<Case['subject']>
  /** The outermost `act`. */
  readonly actor: ActingParty | undefined
  /** `case_id`, as it is. */
  readonly caseId: unknown
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
      reading = { subject, actor, caseId: subject.claims['case_id'], mayAct: subject.claims['may_act'] }
      subjects.set(token, reading)
    }
    return reading
  }

  const readPerson = (token: VerifiedToken): Result<ActingParty, string> => {
    let person = people.get(token)
    if (person === undefined) {
      const party = readParty(token, document.claims, server)
      const unfit =
        subjectKind(token) === 'machine' ? 'a machine is no person who acts' : findOtherHolder(token)
      person = unfit === undefined ? ok({ ...party, kind: 'person' }) : fail(unfit)
      people.set(token, person)
    }
    return person
  }

  return (question, client) => {
    const { subject, actorToken, audience, scope, ticket, context } = question
    const reading = subject === undefined ? noReading : readSubject(subject)
    let { actor } = reading
    if (actorToken !== undefined) {
      const person = readPerson(actorToken)
      if (!person.ok) return person
      if (isOneAndTheSame(reading.subject, person.value)) return fail('nobody acts for themselves')
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
      login: loginOf(subject, actorToken, actor),
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

/** Who acts with another token of the subject is no second person, also where the token service made one of the two. */
function isOneAndTheSame(subject: Party | undefined, person: Party): boolean {
  return subject?.subject === person.subject && subject.issuer === person.issuer
}

/**
 * Why the holder of a token may not be the one whom it is about. Who acts for a person, or looks like one, does not act as
 * that person on another's behalf: nobody would see any more who it was.
 */
function findOtherHolder({ claims, actor }: VerifiedToken): string | undefined {
  if (actor !== undefined || claims['act'] !== undefined) return 'somebody acts for the person who acts'
  if (claims['impersonator'] !== undefined) return 'somebody impersonates the person who acts'
  return undefined
}

/**
 * Whose login counts. Of somebody in `act` who is no client nothing is known: the login in the subject token is the
 * subject's, and does not stand in for theirs.
 */
function loginOf(
  subject: VerifiedToken | undefined,
  actorToken: VerifiedToken | undefined,
  actor: ActingParty | undefined,
): VerifiedToken | undefined {
  if (actorToken !== undefined) return actorToken
  return actor?.kind === 'other' ? undefined : subject
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
  return joinCaseIds(subject?.claims['case_id'], named)
}

/**
 * A claim that is no case id, such as a text that is too long for a pattern of the policy, names no case; and nothing that the
 * request names is the same.
 */
function joinCaseIds(claim: unknown, named: string | undefined): Result<string | undefined, string> {
  if (claim === undefined) return ok(named)
  const claimed = typeof claim === 'string' && isCaseId(claim) ? claim : undefined
  if (named === undefined || claimed === named) return ok(claimed)
  return fail('the request names another case than its token')
}
