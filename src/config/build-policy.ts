import type {
  Approver,
  PolicyDocument,
  PolicyRule,
  SubjectRule,
  TicketRule,
  WhoRule,
} from '../policy/document.ts'
import type { PublicKeySet } from './issuer-schema.ts'
import type { PolicyInput } from './policy-schema.ts'

type RuleInput = PolicyInput['rules'][number]

/** Turns a validated policy into a document, all but its digest. */
export function buildPolicy(
  input: PolicyInput,
  keysOf: ReadonlyMap<string, PublicKeySet>,
): Omit<PolicyDocument, 'digest'> {
  const approvers = new Map<string, Approver>()
  for (const [approver, { subject }] of Object.entries(input.approvers)) {
    approvers.set(approver, { name: approver, subject, jwks: keysOf.get(approver) ?? { keys: [] } })
  }
  return {
    clients: new Map(
      Object.entries(input.clients).map(([id, { kind, attributes }]) => [id, { id, kind, attributes }]),
    ),
    audiences: new Map(
      Object.entries(input.audiences).map(([id, { scopes, served_by = [] }]) => [
        id,
        { id, scope: scopes, servedBy: served_by },
      ]),
    ),
    rules: input.rules.map(rule => buildRule(rule, [...approvers.keys()])),
    claims: input.claims,
    approvers,
  }
}

function buildRule(rule: RuleInput, approvers: readonly string[]): PolicyRule {
  const { acr, max_age, approval, environment, business_hours: hours } = rule.require
  return {
    id: rule.id,
    mode: rule.mode,
    who: buildWho(rule.who),
    for: buildSubject(rule.for),
    into: rule.into,
    scope: rule.scopes,
    when: rule.when,
    ttlSeconds: rule.ttl,
    ...(rule.ticket && { ticket: buildTicket(rule.ticket) }),
    require: {
      caseId: rule.require.case_id,
      acr,
      maxAgeSeconds: max_age,
      approval: approval === true ? approvers : approval,
      environments: environment,
      businessHours: hours && {
        days: hours.days,
        fromMinute: hours.from,
        toMinute: hours.to,
        timeZone: hours.timezone,
      },
    },
  }
}

/** Exactly one side is there. */
function buildTicket({ issue, redeem }: NonNullable<RuleInput['ticket']>): TicketRule {
  return issue === undefined ? { step: 'redeem', purposes: redeem ?? [] } : { step: 'issue', purposes: issue }
}

function buildWho({ client, kind, actor }: RuleInput['who']): WhoRule {
  const isRule = actor !== undefined && actor !== 'anyone'
  return {
    clients: client,
    kinds: kind,
    actor: isRule
      ? { subjects: actor.subject, issuers: actor.issuer, roles: actor.roles, tenant: actor.tenant }
      : actor,
  }
}

function buildSubject(subject: RuleInput['for']): SubjectRule {
  return {
    kinds: subject?.kind,
    subjects: subject?.subject,
    issuers: subject?.issuer,
    tenants: subject?.tenant,
    attributes: new Map(Object.entries(subject?.attributes ?? {})),
  }
}
