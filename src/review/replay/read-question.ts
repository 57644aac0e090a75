import { isJsonObject, type JsonObject } from '../../base/strict-json.ts'
import { exchangeModes } from '../../oauth/exchange-mode.ts'
import { parseScope } from '../../oauth/scope-set.ts'
import type { Approval, PolicyDocument } from '../../policy/document.ts'
import { type KnownParty, type PartialQuestion, unknown } from '../partial-case.ts'
import type { PastDecision } from './past-decision.ts'

/** What a recorded question tells of a past decision. */
export type RecordedQuestion = Pick<
  PastDecision,
  | 'audience'
  | 'modes'
  | 'least'
  | 'most'
  | 'subject'
  | 'kinds'
  | 'actors'
  | 'caseId'
  | 'environment'
  | 'login'
  | 'approval'
  | 'ticket'
  | 'isInOrder'
>

/**
 * Reads the `question` of a recorded decision: everything that rules look at, but claims. Undefined when there is none that
 * can be read. Whoever was asked had it in order, so that rules were asked.
 *
 * @param document the policy that is to be asked
 */
export function readQuestion(
  decision: JsonObject,
  document: PolicyDocument,
  { now }: Pick<PastDecision, 'now'>,
): RecordedQuestion | undefined {
  const { question } = decision
  if (!isJsonObject(question)) return undefined
  const mode = exchangeModes.find(one => one === question['mode'])
  const audience = text(question, 'aud')
  const scope = parseScope(text(question, 'scope') ?? '')
  if (mode === undefined || audience === undefined || scope === undefined) return undefined
  const subject = question['subject']
  const kind = isJsonObject(subject) && subject['kind'] === 'machine' ? 'machine' : 'user'
  return {
    audience,
    modes: [mode],
    least: scope,
    most: scope,
    subject: isJsonObject(subject) ? { ...partyOf(subject), kind } : undefined,
    kinds: [kind],
    actors: actorsOf(question['actor'], document),
    caseId: text(question, 'case_id'),
    environment: text(question, 'environment'),
    login: loginOf(question, now),
    approval: approvalOf(decision, question, document, { now, mode, scope }),
    ticket: ticketOf(question['ticket']),
    isInOrder: true,
  }
}

/** A party by what is recorded of it; what is not there was not there. */
function partyOf(party: JsonObject): KnownParty {
  const roles = party['roles']
  return {
    subject: text(party, 'sub') ?? unknown,
    issuer: text(party, 'iss') ?? unknown,
    tenant: text(party, 'tenant'),
    roles: Array.isArray(roles) ? roles.filter(role => typeof role === 'string') : [],
    claims: unknown,
  }
}

/** Who was no client of the policy of then may be one of this one: that takes an issuer which the record does not name. */
function actorsOf(actor: unknown, document: PolicyDocument): readonly PartialQuestion['actor'][] {
  if (!isJsonObject(actor)) return [undefined]
  const party = partyOf(actor)
  if (actor['kind'] === 'person') return [{ ...party, kind: 'person' }]
  const isClient = typeof party.subject === 'string' && document.clients.has(party.subject)
  if (!isClient) return [{ ...party, kind: 'other' }]
  if (actor['kind'] === 'client') return [{ ...party, kind: 'client' }]
  return [
    { ...party, kind: 'other' },
    { ...party, kind: 'client' },
  ]
}

function loginOf(question: JsonObject, now: PastDecision['now']): PastDecision['login'] {
  const authenticatedAt = question['auth_time']
  // Whether a time that was still to come counts depends on when the token was issued.
  if (typeof authenticatedAt === 'number' && (now === unknown || authenticatedAt > now)) return unknown
  return {
    authenticationContext: text(question, 'acr'),
    authenticatedAt: typeof authenticatedAt === 'number' ? authenticatedAt : undefined,
  }
}

/** The approval that a permit rested on was for this very question; whether there was another one is not in the record. */
function approvalOf(
  decision: JsonObject,
  question: JsonObject,
  document: PolicyDocument,
  { now, mode, scope }: Pick<PastDecision, 'now'> & Pick<Approval, 'mode' | 'scope'>,
): PastDecision['approval'] {
  const id = text(decision, 'approval')
  const approver = text(decision, 'approver')
  const subject = isJsonObject(question['subject']) ? partyOf(question['subject']) : undefined
  const acting = isJsonObject(question['actor']) ? question['actor'] : undefined
  const person = acting?.['kind'] === 'person' ? partyOf(acting) : undefined
  const caseId = text(question, 'case_id')
  const audience = text(question, 'aud')
  if (id === undefined || approver === undefined || caseId === undefined || audience === undefined)
    return unknown
  if (typeof subject?.subject !== 'string' || typeof subject.issuer !== 'string') return unknown
  if (typeof person?.subject !== 'string' || typeof person.issuer !== 'string') return unknown
  return {
    id,
    approver,
    approverSubject: document.approvers.get(approver)?.subject,
    actor: person.subject,
    actorIssuer: person.issuer,
    subject: subject.subject,
    subjectIssuer: subject.issuer,
    caseId,
    audience,
    mode,
    scope,
    expiresAt: now === unknown ? Number.POSITIVE_INFINITY : now + 1,
  }
}

function ticketOf(ticket: unknown): PartialQuestion['ticket'] {
  if (!isJsonObject(ticket)) return undefined
  const step = ticket['step']
  const purpose = text(ticket, 'purpose')
  return (step === 'issue' || step === 'redeem') && purpose !== undefined ? { step, purpose } : unknown
}

function text(holder: JsonObject, name: string): string | undefined {
  const value = Object.hasOwn(holder, name) ? holder[name] : undefined
  return typeof value === 'string' ? value : undefined
}
