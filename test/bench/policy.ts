import { formatProblems } from '../../src/config/config-problem.ts'
import { parsePolicy } from '../../src/config/parse-policy.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { createPolicy, type Policy } from '../../src/policy/policy.ts'
import type { PolicyQuestion } from '../../src/policy/question.ts'
import { aQuestion, aTokenOf, policyServer } from '../support/policy.ts'
import { formatNumber, formatTable } from './table.ts'

/**
 * What one decision of the policy costs in this process, with 100 rules on one audience: `node test/bench/policy.ts`.
 * The promise is 10 µs at most. Every question has a token of its own, as if each were the first of its caller.
 */
const rules = 100
const questions = 512
const rounds = 25
const roundMs = 30

interface Row {
  readonly name: string
  readonly policy: Policy
  readonly ask: (index: number) => PolicyQuestion
  readonly effect: 'permit' | 'deny'
}

const people = { tenant: 'blue', roles: ['support'], consents: ['acme'] }
const user = (index: number): VerifiedToken => aTokenOf(`user-${index}`, people)
const agent = (index: number): VerifiedToken => aTokenOf(`agent-${index}`, people)
const delegated = (index: number): VerifiedToken => ({
  ...aTokenOf(`user-${index}`, {
    ...people,
    iss: policyServer,
    act: { sub: 'storefront', iss: policyServer },
  }),
  actor: { subject: 'storefront', issuer: policyServer },
})

const rows: readonly Row[] = [
  {
    name: 'the first rule permits',
    policy: policyOf(() => 'for: { kind: [user] }'),
    ask: index => aQuestion({ subject: user(index) }),
    effect: 'permit',
  },
  {
    name: 'the last rule permits, others lack the subject',
    policy: policyOf(index => `for: { kind: [user], tenant: [${index === rules - 1 ? 'blue' : 'red'}] }`),
    ask: index => aQuestion({ subject: user(index) }),
    effect: 'permit',
  },
  {
    name: 'the last rule permits, others lack the scope; the subject was delegated',
    policy: policyOf(
      index => `for: { kind: [user] }, scopes: [${index === rules - 1 ? 'orders:read' : 'orders:write'}]`,
    ),
    ask: index => aQuestion({ subject: delegated(index) }),
    effect: 'permit',
  },
  {
    name: 'the last rule permits, others lack the role of a person who acts',
    policy: policyOf(
      () => 'for: { kind: [user] }, require: { case_id: true }',
      index => `actor: { roles: [${index === rules - 1 ? 'support' : `role-${index}`}], tenant: as-subject }`,
    ),
    ask: index => ({
      ...aQuestion({ subject: user(index), actorToken: agent(index) }),
      context: { ...aQuestion().context, caseId: 'CASE-1042' },
    }),
    effect: 'permit',
  },
  {
    name: 'all have a condition, the last is true',
    policy: policyOf(
      index =>
        `for: { kind: [user] }, when: '"${index === rules - 1 ? 'acme' : `partner-${index}`}" in subject.consents'`,
    ),
    ask: index => aQuestion({ subject: user(index) }),
    effect: 'permit',
  },
  {
    name: 'a denial: no rule is for the subject',
    policy: policyOf(() => 'for: { kind: [user], tenant: [red] }'),
    ask: index => aQuestion({ subject: user(index) }),
    effect: 'deny',
  },
  {
    name: 'a denial: no condition is true',
    policy: policyOf(() => `for: { kind: [user] }, when: '"nobody" in subject.consents'`),
    ask: index => aQuestion({ subject: user(index) }),
    effect: 'deny',
  },
  {
    name: 'a denial: every rule lacks its last requirement',
    policy: policyOf(() => 'for: { kind: [user] }, require: { case_id: true, acr: [mfa] }'),
    ask: index => ({
      ...aQuestion({ subject: user(index) }),
      context: { ...aQuestion().context, caseId: 'CASE-1' },
    }),
    effect: 'deny',
  },
]

const table = rows.map(row => ({
  decision: row.name,
  µs: formatNumber(measure(row), 2),
}))
process.stdout.write(`${formatTable(table)}\n`)

function measure({ name, policy, ask, effect }: Row): number {
  const asked = Array.from({ length: questions }, (_, index) => ask(index))
  for (const question of asked) {
    const decision = policy.decide(question)
    if (decision.effect !== effect) throw new Error(`${name}: ${JSON.stringify(decision)}`)
  }
  const times: number[] = []
  // The first rounds are the compiler's.
  for (let round = -5; round < rounds; round++) {
    const started = processorMicros()
    let count = 0
    let passed = 0
    while (passed < roundMs * 1000) {
      for (const question of asked) policy.decide(question)
      count += questions
      passed = processorMicros() - started
    }
    if (round >= 0) times.push(passed / count)
  }
  // Whatever else the machine does can only make it slower.
  return Math.min(...times)
}

/** Of this process, so that others on the machine do not count. */
function processorMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function policyOf(rest: (index: number) => string, who: (index: number) => string = () => ''): Policy {
  const lines = Array.from({ length: rules }, (_, index) => {
    const actor = who(index)
    return `  - { id: rule-${index}, who: { client: [orders]${actor && `, ${actor}`} }, into: [orders-api], ${rest(index)} }`
  })
  const text = `clients: { orders: { kind: service }, storefront: { kind: service } }
audiences: { orders-api: { scopes: [orders:read, orders:write] } }
rules:
${lines.join('\n')}
`
  const parsed = parsePolicy(text, { file: 'policy.yaml', env: {} })
  if (!parsed.ok) throw new Error(formatProblems(parsed.error))
  return createPolicy(parsed.value, policyServer)
}
