import fc from 'fast-check'
import type { Approval, PolicyDocument } from '../../src/policy/document.ts'
import type { PolicyQuestion } from '../../src/policy/question.ts'
import { aContext, aTokenOf, parseTestPolicy, policyServer } from './policy.ts'

export const clientIds = ['one', 'two', 'three']
export const audienceIds = ['a-api', 'b-api', 'c-api']
export const scopeTokens = ['x:read', 'x:write', 'x:pay']

const approverKey = {
  kty: 'EC',
  crv: 'P-256',
  alg: 'ES256',
  use: 'sig',
  kid: 'grace-1',
  x: 'C9t2HWHF-fmXp6SQhrM9NmtjQTP9hczPiuISOFXWn8E',
  y: 'PVFNAxZqUf6U9JKWUuseXUCFwazPGuNG8h9cUqBVIjQ',
}

function kindOf() {
  return fc.constantFrom('service', 'worker')
}

function audienceOf() {
  return fc.record(
    { scopes: fc.subarray(scopeTokens), served_by: fc.subarray(clientIds, { minLength: 1 }) },
    { requiredKeys: ['scopes'] },
  )
}

type Audience = { readonly scopes: readonly string[]; readonly served_by?: readonly string[] }

function some<T>(items: readonly T[]) {
  return fc.subarray([...items], { minLength: 1 })
}

function ruleOf() {
  const into = fc.oneof(fc.constant('own' as const), some(audienceIds))
  const who = fc.oneof(
    fc.record({ client: some(clientIds) }),
    fc.record({ kind: some(['service', 'worker']) }),
    fc.record({ client: some(clientIds), kind: some(['service', 'worker']) }),
  )
  const require = fc.oneof(
    fc.constant({}),
    fc.record({ case_id: fc.constantFrom(true, 'CASE-[0-9]+') }),
    fc.record({ environment: fc.constant(['production']), max_age: fc.constant('1h') }),
    fc.record({ acr: fc.constant(['mfa']), case_id: fc.constant(true), approval: fc.constant(true) }),
    fc.record({ business_hours: fc.constant({ from: '08:00', to: '18:00' }) }),
  )
  const common = {
    into,
    scopes: fc.option(fc.subarray(scopeTokens), { nil: undefined }),
    ttl: fc.constantFrom(undefined, '30s', '2m'),
  }
  const actor = fc.oneof(
    fc.constant(undefined),
    fc.constant('anyone' as const),
    fc.record(
      {
        roles: some(['support', 'lead']),
        tenant: fc.oneof(fc.constant('as-subject' as const), some(['blue', 'red'])),
        subject: fc.constant(['agent-*']),
      },
      { requiredKeys: [] },
    ),
  )
  const subject = fc.record(
    {
      kind: some(['user', 'machine']),
      tenant: some(['blue', 'red']),
      subject: fc.constantFrom(['alice'], ['job:*']),
      attributes: fc.constant({ plan: ['gold', 'silver'] }),
    },
    { requiredKeys: [] },
  )
  const forSubjects = fc
    .record({
      mode: fc.constantFrom('delegation', 'impersonation'),
      who,
      actor,
      for: subject,
      when: fc.constantFrom(undefined, 'subject.plan == "gold"', 'client.kind != "nobody"'),
      require,
      ...common,
    })
    .map(({ actor: acting, ...rule }) => ({
      ...rule,
      who: { ...rule.who, ...(acting !== undefined && { actor: acting }) },
    }))
  const forMachines = fc.record({
    mode: fc.constant('machine'),
    who,
    require: fc.constantFrom({}, { environment: ['production'] }),
    ...common,
  })
  return fc.oneof({ weight: 3, arbitrary: forSubjects }, { weight: 1, arbitrary: forMachines })
}

type Rule = Readonly<Record<string, unknown>> & {
  readonly who: { readonly client?: readonly string[]; readonly kind?: readonly string[] }
  readonly into: 'own' | readonly string[]
  readonly scopes?: readonly string[] | undefined
}

/** A rule without what the schema refuses: kinds and scopes that are nowhere. Undefined when nothing would be left. */
function knownNames(rule: Rule, kinds: readonly string[], audiences: readonly Audience[]) {
  const kind = rule.who.kind?.filter(one => kinds.includes(one))
  if (kind?.length === 0) return undefined
  const targets = audiences.filter((audience, index) =>
    rule.into === 'own'
      ? (audience.served_by?.length ?? 0) > 0
      : rule.into.includes(audienceIds[index] as string),
  )
  const scopes = rule.scopes?.filter(scope => targets.some(audience => audience.scopes.includes(scope)))
  const written = { ...rule, who: { ...rule.who, ...(kind !== undefined && { kind }) }, scopes }
  return JSON.parse(JSON.stringify(written))
}

/** Policies of three clients, audiences and scopes, whose every rule some question of {@link everyOccasion} satisfies. */
export const policies: fc.Arbitrary<PolicyDocument> = fc
  .record({
    kinds: fc.tuple(kindOf(), kindOf(), kindOf()),
    audiences: fc.tuple(audienceOf(), audienceOf(), audienceOf()),
    rules: fc.array(ruleOf(), { minLength: 1, maxLength: 6 }),
  })
  .map(({ kinds, audiences, rules }) =>
    parseTestPolicy(
      JSON.stringify({
        clients: Object.fromEntries(clientIds.map((id, index) => [id, { kind: kinds[index] }])),
        audiences: Object.fromEntries(audienceIds.map((id, index) => [id, audiences[index]])),
        rules: rules
          .map((rule, index) => knownNames({ id: `rule-${index}`, ...rule }, kinds, audiences))
          .filter(rule => rule !== undefined),
        approvers: { grace: { inline: { keys: [approverKey] } } },
      }),
    ),
  )

const subjects = ['alice', 'job:1'].flatMap(sub =>
  ['blue', 'red'].flatMap(tenant =>
    ['shop-web', sub].map(client =>
      aTokenOf(sub, { tenant, client_id: client, plan: 'gold', acr: 'mfa', auth_time: aContext().now - 60 }),
    ),
  ),
)

const actors = [
  undefined,
  ...['blue', 'red'].flatMap(tenant =>
    ['support', 'lead'].map(role =>
      aTokenOf('agent-7', { tenant, roles: [role], acr: 'mfa', auth_time: aContext().now - 60 }),
    ),
  ),
]

/** Everything that may be known of an occasion, for one client, audience, mode and scope. */
export function* everyOccasion(
  asked: Pick<PolicyQuestion, 'client' | 'audience' | 'mode' | 'scope'>,
): Iterable<PolicyQuestion> {
  const context = aContext({ caseId: 'CASE-1', environment: 'production' })
  if (asked.mode === 'machine') yield { ...asked, subject: undefined, actorToken: undefined, context }
  else {
    for (const subject of subjects) {
      for (const actorToken of actors) {
        const actor = actorToken ?? { subject: asked.client, issuer: policyServer }
        const approval: Approval = {
          id: 'approval-1',
          approver: 'grace',
          actor: actor.subject,
          actorIssuer: actor.issuer,
          subject: subject.subject,
          subjectIssuer: subject.issuer,
          caseId: 'CASE-1',
          audience: asked.audience,
          mode: asked.mode === 'impersonation' ? 'impersonation' : 'delegation',
          scope: asked.scope,
          expiresAt: context.now + 60,
        }
        yield { ...asked, subject, actorToken, context: { ...context, approval } }
      }
    }
  }
}
