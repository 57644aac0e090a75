import type { EpochSeconds } from '../base/clock.ts'
import type { Decision } from '../model/decision.ts'
import type { SubjectKind } from '../model/subject-kind.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { actorSubjects } from '../oauth/actor.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import { intersectScope, isScopeWithin, type ScopeSet } from '../oauth/scope-set.ts'
import { type StepUp, satisfiesStepUp } from '../oauth/step-up.ts'
import { createBusinessHours } from './business-hours.ts'
import type {
  ActorRule,
  Approval,
  PolicyClient,
  PolicyRule,
  Requirements,
  SubjectRule,
  WhoRule,
} from './document.ts'
import { type Condition, compileCondition } from './expression.ts'
import type { OccasionFacts } from './occasion-facts.ts'
import type { ActingParty, Party } from './party.ts'
import type { PolicyContext, PolicyQuestion } from './question.ts'

/** A question with everything worked out that several rules look at. */
export interface Case {
  readonly client: PolicyClient
  readonly audience: string
  readonly scope: ScopeSet
  /** Undefined when a machine asks for itself. */
  readonly subject: (Party & { readonly token: VerifiedToken; readonly kind: SubjectKind }) | undefined
  readonly actor: ActingParty | undefined
  /** Whose login counts: the person who acts, else the subject; undefined when it is not known. */
  readonly login: VerifiedToken | undefined
  readonly caseId: string | undefined
  readonly ticket: PolicyQuestion['ticket']
  readonly context: PolicyContext
  /** Issuer identifier of the token service. */
  readonly server: string
  /** What conditions see. */
  facts(): OccasionFacts
}

/** What a case lacks for one condition; worded to follow "it lacks". */
export interface Lack {
  readonly what: string
  readonly stepUp?: StepUp
  readonly approvers?: readonly string[]
}

/** One condition of a rule: what is lacking, or undefined when it holds. */
export type Check = (asked: Case) => Lack | undefined

/** A rule that was prepared once for every question. */
export interface CompiledRule {
  readonly id: string
  /** Conditions in the order in which a person would look: who asks, for whom, who acts, for what, on which occasion. */
  readonly steps: readonly (readonly Check[])[]
  /** Those of them whose answer depends on nothing but the client, the kind of subject and the kind of actor. */
  readonly standing: ReadonlySet<Check>
  permit(asked: Case): Extract<Decision, { readonly effect: 'permit' }>
}

/** An impersonation that nobody gave a life. */
const impersonationTtlSeconds = 60

/**
 * Prepares a rule for one audience.
 *
 * @param scope what the issued token may hold at most there
 * @throws TypeError for a condition that does not compile; the configuration refuses it before
 */
export function compileRule(rule: PolicyRule, scope: ScopeSet, servedBy: readonly string[]): CompiledRule {
  const ttlSeconds = ttlSecondsOf(rule)
  const permit = Object.freeze({
    effect: 'permit' as const,
    rule: rule.id,
    mode: rule.mode,
    scope,
    ...(ttlSeconds !== undefined && { ttlSeconds }),
  })
  const hasSubject = rule.mode !== 'machine'
  const clientIs = clientChecks(rule.who, rule.into === 'own' ? servedBy : undefined)
  const subjectKindIs = hasSubject ? subjectKindChecks(rule.for) : []
  const actorKindIs = hasSubject ? actorKindChecks(rule.who) : []
  return {
    id: rule.id,
    standing: new Set([...clientIs, ...subjectKindIs, ...actorKindIs]),
    steps: [
      clientIs,
      [ticketCheck(rule.ticket)],
      hasSubject ? [...subjectKindIs, ...subjectChecks(rule.for)] : [],
      hasSubject ? [...actorKindIs, ...actorChecks(rule.who)] : [],
      [asked => (isScopeWithin(asked.scope, scope) ? undefined : { what: 'a scope that it permits' })],
      conditionChecks(rule),
      ...requirementChecks(rule.require, rule.mode).map(check => [check]),
    ],
    permit: ({ context: { approval } }) =>
      rule.require.approval === undefined || approval === undefined
        ? permit
        : Object.freeze({
            ...permit,
            scope: intersectScope(scope, approval.scope),
            notAfter: approval.expiresAt,
            approval: { id: approval.id, approver: approval.approver },
          }),
  }
}

/** Longest life of the token that a rule permits; undefined leaves it to the token service. */
export function ttlSecondsOf({ mode, ttlSeconds }: PolicyRule): number | undefined {
  return ttlSeconds ?? (mode === 'impersonation' ? impersonationTtlSeconds : undefined)
}

function holds<Asked = Case>(
  isTrue: (asked: Asked) => boolean,
  what: string,
): (asked: Asked) => Lack | undefined {
  const lack = Object.freeze({ what })
  return asked => (isTrue(asked) ? undefined : lack)
}

/**
 * The conditions on who asks.
 *
 * @param servers the clients in front of the audience, for a rule that is about their own
 */
export function clientChecks(
  { clients, kinds }: WhoRule,
  servers: readonly string[] | undefined,
): readonly ((asked: Pick<Case, 'client'>) => Lack | undefined)[] {
  const checks: ((asked: Pick<Case, 'client'>) => Lack | undefined)[] = []
  if (clients !== undefined) {
    const ids = new Set(clients)
    checks.push(holds(({ client }) => ids.has(client.id), 'the client'))
  }
  if (kinds !== undefined)
    checks.push(holds(({ client }) => kinds.includes(client.kind), 'the kind of client'))
  if (servers !== undefined) {
    const ids = new Set(servers)
    checks.push(holds(({ client }) => ids.has(client.id), 'a client whose own audience it is'))
  }
  return checks
}

/** A rule that says nothing of tickets is for none: they live longer than what it was written for. */
function ticketCheck(rule: PolicyRule['ticket']): Check {
  if (rule === undefined) return holds(({ ticket }) => ticket === undefined, 'a word on tickets')
  const { step, purposes } = rule
  return holds(
    ({ ticket }) => ticket?.step === step && purposes.includes(ticket.purpose),
    `a ticket to ${step} for one of its purposes`,
  )
}

type Subject = NonNullable<Case['subject']>

function about(isTrue: (subject: Subject) => boolean, what: string): Check {
  return holds(({ subject }) => subject !== undefined && isTrue(subject), what)
}

function subjectKindChecks({ kinds }: SubjectRule): Check[] {
  const checks: Check[] = [about(() => true, 'a subject')]
  if (kinds !== undefined) checks.push(about(({ kind }) => kinds.includes(kind), 'the kind of subject'))
  return checks
}

function subjectChecks({ subjects, issuers, tenants, attributes }: SubjectRule): Check[] {
  const checks: Check[] = []
  if (issuers !== undefined) {
    checks.push(about(({ issuer }) => issuers.includes(issuer), "the subject's issuer"))
  }
  if (subjects !== undefined) {
    checks.push(about(({ subject }) => matchesOne(subjects, subject), 'the subject'))
  }
  if (tenants !== undefined) {
    checks.push(
      about(({ tenant }) => tenant !== undefined && tenants.includes(tenant), "the subject's tenant"),
    )
  }
  for (const [claim, values] of attributes) {
    const isOne = (value: unknown): boolean => values.some(one => one === value)
    const has = (value: unknown): boolean => (Array.isArray(value) ? value.some(isOne) : isOne(value))
    checks.push(about(({ claims }) => has(claims[claim]), `the subject's claim ${claim}`))
  }
  return checks
}

/** A person who acts, or an actor whom this policy does not know as a client, needs a rule that speaks of actors. */
function actorKindChecks({ actor: rule }: WhoRule): Check[] {
  if (rule === 'anyone') return []
  return rule === undefined
    ? [holds(({ actor }) => actor === undefined || actor.kind === 'client', 'a word on who acts')]
    : [holds(({ actor }) => actor !== undefined, 'somebody who acts')]
}

function actorChecks({ actor: rule }: WhoRule): Check[] {
  return rule === undefined || rule === 'anyone' ? [] : [actorTest(rule)]
}

function actorTest({ subjects, issuers, roles, tenant }: ActorRule): Check {
  const lacks = {
    actor: { what: 'somebody who acts' },
    issuer: { what: "the actor's issuer" },
    subject: { what: 'the actor' },
    role: { what: "the actor's role" },
    tenant: { what: tenant === 'as-subject' ? "the subject's tenant" : "the actor's tenant" },
  } as const
  return ({ actor, subject }) => {
    if (actor === undefined) return lacks.actor
    if (issuers !== undefined && !issuers.includes(actor.issuer)) return lacks.issuer
    if (subjects !== undefined && !matchesOne(subjects, actor.subject)) return lacks.subject
    if (roles !== undefined && !holdsOne(actor.roles, roles)) return lacks.role
    if (tenant === undefined) return undefined
    const isMember =
      actor.tenant !== undefined &&
      (tenant === 'as-subject' ? actor.tenant === subject?.tenant : tenant.includes(actor.tenant))
    return isMember ? undefined : lacks.tenant
  }
}

function conditionChecks({ id, when }: PolicyRule): Check[] {
  if (when === undefined) return []
  const compiled = compileCondition(when)
  if (!compiled.ok) throw new TypeError(`rule ${id}: when ${compiled.error}`)
  const condition: Condition = compiled.value
  return [holds(asked => condition(asked.facts()), 'its condition')]
}

/** What a caller can still do something about comes last: the case, the login, the approval. */
function requirementChecks(require: Requirements, mode: ExchangeMode): Check[] {
  const { environments, businessHours, caseId, acr, maxAgeSeconds, approval } = require
  const checks: Check[] = []
  if (environments !== undefined) {
    checks.push(
      holds(
        ({ context: { environment } }) => environment !== undefined && environments.includes(environment),
        'the environment',
      ),
    )
  }
  if (businessHours !== undefined) {
    const isOpen = createBusinessHours(businessHours)
    checks.push(holds(({ context: { now } }) => isOpen(now), 'business hours'))
  }
  if (caseId !== undefined) {
    checks.push(caseCheck(caseId))
  }
  if (acr !== undefined || maxAgeSeconds !== undefined) checks.push(loginCheck(acr, maxAgeSeconds))
  if (approval !== undefined) checks.push(approvalCheck(approval, mode))
  return checks
}

function caseCheck(pattern: string): Check {
  const form = new RegExp(`^(?:${pattern})$`, 'u')
  const missing = { what: 'a case id' }
  const malformed = { what: 'a case id of the right form' }
  return ({ caseId }) => {
    if (caseId === undefined) return missing
    return form.test(caseId) ? undefined : malformed
  }
}

function loginCheck(acr: readonly string[] | undefined, maxAgeSeconds: number | undefined): Check {
  const required: StepUp = {
    ...(acr !== undefined && { acrValues: acr }),
    ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
  }
  const lack: Lack = { what: 'a login that is strong and recent enough', stepUp: required }
  return ({ login, context: { now } }) =>
    login !== undefined && satisfiesStepUp(required, login, now) ? undefined : lack
}

function approvalCheck(approvers: readonly string[], mode: ExchangeMode): Check {
  return asked => {
    const { approval, now } = asked.context
    if (approval === undefined) return { what: 'an approval', approvers }
    const isApproved =
      approval.mode === mode &&
      approvers.includes(approval.approver) &&
      isForCase(approval, asked) &&
      isOpen(approval, now)
    return isApproved ? undefined : { what: 'an approval of this very case' }
  }
}

function isOpen({ expiresAt }: Approval, now: EpochSeconds): boolean {
  return now < expiresAt
}

/** Who is approved to act: whoever acts, or the client where that is one. */
export function approvedActor(
  actor: ActingParty | undefined,
  client: string,
  server: string,
): Pick<Party, 'subject' | 'issuer'> {
  return actor === undefined || actor.kind === 'client' ? { subject: client, issuer: server } : actor
}

/** Every word of an approval must be the case's, its scope may be wider, and nobody approves what is done by, through or to themselves. */
function isForCase(approval: Approval, asked: Case): boolean {
  const { subject, client, audience, scope, caseId, server } = asked
  const actor = approvedActor(asked.actor, client.id, server)
  return (
    approval.audience === audience &&
    isScopeWithin(scope, approval.scope) &&
    approval.caseId === caseId &&
    approval.subject === subject?.subject &&
    approval.subjectIssuer === subject.issuer &&
    approval.actor === actor.subject &&
    approval.actorIssuer === actor.issuer &&
    ![actor.subject, subject.subject, ...actorSubjects(subject.token.actor)].some(sub =>
      [approval.approver, approval.approverSubject].includes(sub),
    )
  )
}

function matchesOne(patterns: readonly string[], text: string): boolean {
  for (const pattern of patterns) if (matches(pattern, text)) return true
  return false
}

function holdsOne(held: readonly string[], wanted: readonly string[]): boolean {
  for (const one of wanted) if (held.includes(one)) return true
  return false
}

/** A pattern is the text itself, or with a last `*` its beginning. */
function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern === text
}
