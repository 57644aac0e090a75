import { describe, expect, it } from 'vitest'
import { formatProblems } from '../../../../src/config/config-problem.ts'
import { parseHubConfig } from '../../../../src/config/parse-hub.ts'
import { parseSidecarConfig } from '../../../../src/config/parse-sidecar.ts'
import { buildGraph, type PolicyGraph } from '../../../../src/review/graph/graph.ts'
import { graphText } from '../../../../src/review/graph/graph-text.ts'

const env = { SECRET: 'a-secret-of-the-tests', KEY: 'k'.repeat(32) }

/** A hub and its sidecars; the policy is the same file to all of them unless it is given by service. */
function graphOf({
  routes,
  hub = '',
  policies = {},
}: {
  /** By service: whose tokens it takes, and its route. */
  readonly routes: Readonly<Record<string, { readonly from: string; readonly route: string }>>
  readonly hub?: string
  readonly policies?: Readonly<Record<string, string>>
}): PolicyGraph {
  const readText = (path: string) => {
    const text = policies[path.split('/').at(-1) ?? '']
    return text === undefined
      ? { ok: false as const, error: 'is not there' }
      : { ok: true as const, value: text }
  }
  const policyOf = (name: string): string =>
    policies[`${name}.yaml`] === undefined
      ? policies['policy.yaml']
        ? 'policy: policy.yaml'
        : ''
      : `policy: ${name}.yaml`
  const sidecars = Object.entries(routes).map(([service, { from, route }]) => {
    const text = `
service: ${service}
upstream: http://127.0.0.1:3000
${policyOf(service)}
issuers: [${from === 'login' ? '{ issuer: https://login.test, audience: [web] }' : `{ issuer: https://hub.test, audience: [${from}], types: [at+jwt] }`}]
exchange: { server: https://hub.test, client: { secret: "\${SECRET}" } }
routes: [{ name: ${service}-route, path: /**, ${route} }]
`
    const parsed = parseSidecarConfig(text, { file: `${service}.yaml`, env, readText })
    if (!parsed.ok) throw new Error(formatProblems(parsed.error))
    return { kind: 'sidecar' as const, file: `${service}.yaml`, config: parsed.value }
  })
  if (hub === '') return buildGraph(sidecars)
  const text = `
${policyOf('hub')}
sts:
  issuer: https://hub.test
  issuers: [{ issuer: https://login.test, audience: [web] }]
${hub}
`
  const parsed = parseHubConfig(text, { file: 'hub.yaml', env, readText })
  if (!parsed.ok) throw new Error(formatProblems(parsed.error))
  return buildGraph([...sidecars, { kind: 'hub', file: 'hub.yaml', config: parsed.value }])
}

const shop = { from: 'login', route: 'audience: shop-api, scope: shop:read, optional_scope: orders:read' }
const orders = { from: 'shop-api', route: 'audience: orders-api, scope: orders:read' }
const clients = `  clients:
    - { id: shop, secret: "\${SECRET}", accepts: [web], audiences: { shop-api: { scope: shop:read orders:read } } }
    - { id: orders, secret: "\${SECRET}", accepts: [shop-api], audiences: { orders-api: { scope: orders:read } } }
`
const policy = `
clients: { shop: { kind: service }, orders: { kind: service } }
audiences:
  shop-api: { scopes: [shop:read, orders:read], served_by: [shop] }
  orders-api: { scopes: [orders:read], served_by: [orders] }
rules: [{ id: own, who: { kind: [service] }, for: { kind: [user] }, into: own }]
`

const kindsOf = ({ findings }: PolicyGraph) => findings.map(({ kind }) => kind)

describe('a graph', () => {
  it('follows tokens from where they come in, with what survives, and finds nothing wrong with a plain system', () => {
    const graph = graphOf({ routes: { shop, orders }, hub: clients, policies: { 'policy.yaml': policy } })
    expect(graphText(graph)).toBe(`2 sidecars with 2 protected routes, 1 token service, 1 entry

a token of https://login.test at shop "shop-route"
  → shop-api: [orders:read] shop:read by own
    orders "orders-route" → orders-api: orders:read by own

Nothing is wrong.
`)
  })

  it('takes a token service without a configuration for one that grants whatever is asked', () => {
    const graph = graphOf({ routes: { shop, orders } })
    expect(graphText(graph)).toContain('orders "orders-route" → orders-api: [orders:read]')
  })

  it('says why nothing can pass a route: the scope, the client, the rule, the token service', () => {
    const blocked = (route: string, about: { hub?: string; policy?: string } = {}) => {
      const graph = graphOf({
        routes: { shop, orders: { from: 'shop-api', route } },
        hub: about.hub ?? clients,
        ...(about.policy !== undefined && { policies: { 'policy.yaml': about.policy } }),
      })
      return graph.findings.find(({ kind }) => kind === 'unsatisfiable-route')
    }
    expect(blocked('audience: orders-api, scope: orders:read')).toBeUndefined()
    expect(blocked('audience: orders-api, scope: orders:refund')).toMatchObject({
      message: 'nothing can pass orders "orders-route"',
      because: expect.arrayContaining([
        'a token for shop-api of https://hub.test that comes here cannot hold orders:refund',
      ]),
    })
    expect(blocked('audience: orders-api, clients: [web]')?.because).toContain(
      'the route is not for tokens of shop',
    )
    expect(blocked('audience: other-api')?.because).toContain(
      'at https://hub.test, orders may not ask for other-api',
    )
    const strict = policy.replace('into: own', 'into: [shop-api]')
    expect(blocked('audience: orders-api', { policy: strict })?.because).toContain(
      'at orders, no rule permits delegation into orders-api',
    )
    const narrow = policy
      .replace('scopes: [orders:read], served_by', 'scopes: [orders:read, orders:list], served_by')
      .replace(
        'into: own }',
        'into: [shop-api] }, { id: list, who: { client: [orders] }, for: {}, into: [orders-api], scopes: [orders:list] }',
      )
    expect(blocked('audience: orders-api, scope: orders:read', { policy: narrow })?.because).toContain(
      'at orders, no rule permits orders:read into orders-api to orders',
    )
  })

  it('takes conditions for satisfiable, but not an environment that the configuration names otherwise', () => {
    const withRule = (rule: string) =>
      kindsOf(
        graphOf({
          routes: { shop, orders },
          hub: clients,
          policies: { 'policy.yaml': policy.replace('into: own', `into: own, ${rule}`) },
        }),
      )
    expect(withRule('when: subject.vip == true')).toEqual([])
    expect(
      withRule("require: { case_id: true, acr: [mfa], business_hours: { from: '08:00', to: '09:00' } }"),
    ).toEqual([])
    expect(withRule('require: { environment: [production] }')).toContain('unsatisfiable-route')
  })

  it('finds a loop on which no actor is added, and a callback on which one is', () => {
    const self = graphOf({
      routes: {
        shop,
        orders: { from: 'shop-api, orders-api', route: 'audience: orders-api, scope: orders:read' },
      },
      hub: clients.replace('accepts: [shop-api]', 'accepts: [shop-api, orders-api]'),
    })
    expect(self.findings).toMatchObject([
      { kind: 'loop', message: expect.stringContaining('orders "orders-route" → orders-api') },
    ])
    const back = (visits: number) =>
      graphOf({
        routes: {
          shop,
          orders,
          billing: { from: 'orders-api', route: 'audience: shop-api, scope: orders:read' },
        },
        hub: `  max_actor_visits: ${visits}
${clients}    - { id: billing, secret: "\${SECRET}", accepts: [orders-api], audiences: { shop-api: { scope: orders:read } } }
`,
      })
    expect(kindsOf(back(2))).toEqual(['callback'])
    expect(kindsOf(back(1))).toEqual([])
  })

  it('finds an audience that nobody serves, and one that nobody uses', () => {
    const unserved = policy
      .replace('[orders:read], served_by: [orders] }', '[orders:read] }')
      .replace('into: own', 'into: [shop-api, orders-api]')
    const graph = graphOf({ routes: { shop, orders }, hub: clients, policies: { 'policy.yaml': unserved } })
    expect(graph.findings).toMatchObject([
      { kind: 'unserved-audience', message: 'tokens are issued for orders-api, which nobody serves' },
    ])
    const orphaned = policy.replace('rules:', '  lost-api: { scopes: [x] }\nrules:')
    const other = graphOf({ routes: { shop, orders }, hub: clients, policies: { 'policy.yaml': orphaned } })
    expect(other.findings).toMatchObject([
      { kind: 'orphan-audience', message: expect.stringContaining('lost-api') },
    ])
    const trusted = graphOf({
      routes: { shop, orders },
      hub: `  trust_domain: lost-api\n${clients}`,
      policies: { 'policy.yaml': orphaned },
    })
    expect(trusted.findings).toEqual([])
  })

  it('finds two policies in one system', () => {
    const graph = graphOf({
      routes: { shop, orders },
      hub: clients,
      policies: { 'policy.yaml': policy, 'orders.yaml': policy.replace('id: own', 'id: other') },
    })
    expect(graph.findings).toMatchObject([
      { kind: 'different-policies', because: [expect.any(String), expect.stringContaining('orders.yaml')] },
    ])
  })

  it('lets a client without a sidecar exchange whatever it may, and one with a sidecar by its routes only', () => {
    const graph = graphOf({ routes: { shop }, hub: clients })
    expect(graphText(graph)).toContain('orders (no sidecar here) → orders-api: [orders:read]')
    expect(graphText(graph)).not.toContain('shop (no sidecar here)')
  })

  it('takes a rule for possible that only a request for more is decided by', () => {
    const two = policy
      .replace('orders-api: { scopes: [orders:read]', 'orders-api: { scopes: [orders:read, orders:write]')
      .replace(
        /rules: .*/s,
        `rules:
  - { id: read, who: { client: [shop, orders] }, for: {}, into: [shop-api, orders-api], scopes: [orders:read, shop:read] }
  - { id: write, who: { client: [orders] }, for: {}, into: [orders-api], scopes: [orders:write] }
`,
      )
    const wide = clients
      .replace('accepts: [shop-api]', 'accepts: [web]')
      .replace('orders-api: { scope: orders:read }', 'orders-api: { scope: orders:read orders:write }')
    const text = graphText(graphOf({ routes: { shop }, hub: wide, policies: { 'policy.yaml': two } }))
    expect(text).toContain('→ orders-api: [orders:read] by read')
    expect(text).toContain('→ orders-api: [orders:write] by write')
  })

  it('makes of a machine on a route for machines the workload itself, and of nobody else anything', () => {
    const itself = 'audience: orders-api, scope: orders:read, mode: machine'
    const rules = policy.replace(
      'rules: [',
      'rules: [{ id: itself, mode: machine, who: { client: [orders] }, into: [orders-api] }, ',
    )
    const about = {
      hub: clients,
      policies: { 'policy.yaml': rules.replace('kind: [user]', 'kind: [user, machine]') },
    }
    const graph = graphOf({ routes: { shop, orders: { from: 'shop-api', route: itself } }, ...about })
    expect(graphText(graph)).toContain('orders "orders-route" → orders-api: orders:read by itself')
    const users = graphOf({
      routes: { shop, orders: { from: 'shop-api', route: itself } },
      ...about,
      policies: { 'policy.yaml': rules },
    })
    expect(users.findings.find(({ kind }) => kind === 'unsatisfiable-route')?.because).toContain(
      'the route is for callers that act for themselves',
    )
  })

  it('says what it does not follow', () => {
    const graph = graphOf({ routes: { shop, orders }, hub: `  tickets: { key: "\${KEY}" }\n${clients}` })
    expect(graphText(graph)).toContain('Not followed: tickets of https://hub.test')
  })

  it('has the tokens that a client has for itself', () => {
    const machine = policy.replace(
      'rules: [',
      'rules: [{ id: itself, mode: machine, who: { client: [orders] }, into: [orders-api] }, ',
    )
    const graph = graphOf({ routes: { shop, orders }, hub: clients, policies: { 'policy.yaml': machine } })
    expect(graphText(graph)).toContain('orders for itself\n  → orders-api: [orders:read] by itself')
  })
})
