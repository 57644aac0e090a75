import assert from 'node:assert/strict'
import type { Answer } from './caller.ts'
import type { Checklist } from './checklist.ts'
import type { ComposeProject } from './compose-project.ts'

const legacy = ['storefront', 'orders', 'billing']
const gates = legacy.map(service => `${service}-gate`)
const fullScope = 'shop:read orders:read billing:read'
const ordersGate = 'http://orders-gate:8080/orders/17'
const billingGate = 'http://billing-gate:8080/billing/17'
const unreachable = /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|TimeoutError)$/

/** What one legacy service says it saw, and what the next one behind it said. */
interface Sighting {
  readonly service?: string
  readonly status?: number | string
  readonly claims?: Record<string, unknown> | null
  readonly next?: Sighting
}

/** Asks deploy/compose for what it promises. The last check stops it. */
export async function checkCompose(checklist: Checklist, project: ComposeProject): Promise<void> {
  const { check } = checklist
  const { caller, inspect, fetchFrom } = project
  const seenTokens: string[] = []
  const login = async (scope: string, audience = 'shop-web') => {
    const token = await caller.login('anna', audience, scope)
    seenTokens.push(token)
    return token
  }

  await check('carries a request through three services, each with a token for itself alone', async () => {
    const chain = chainOf(await caller.get('/shop/cart', await login(fullScope)))
    assert.deepEqual(
      chain.map(({ service, claims }) => [service, claims?.['aud'], claims?.['iss'], claims?.['sub']]),
      legacy.map(service => [service, service, 'http://hub:8080', 'anna']),
    )
    assert.deepEqual(chain.map(actorsOf), [
      ['storefront'],
      ['orders', 'storefront'],
      ['billing', 'orders', 'storefront'],
    ])
    assert.equal(new Set(chain.map(({ claims }) => claims?.['jti'])).size, 3)
  })

  await check('narrows the scope at every hop', async () => {
    const chain = chainOf(await caller.get('/shop/cart', await login(fullScope)))
    assert.deepEqual(
      chain.map(({ claims }) => String(claims?.['scope']).split(' ').sort()),
      [['billing:read', 'orders:read', 'shop:read'], ['billing:read', 'orders:read'], ['billing:read']],
    )
  })

  await check('stops in the middle of the chain when the user may not go on', async () => {
    const chain = chainOf(await caller.get('/shop/cart', await login('shop:read orders:read')))
    assert.deepEqual(
      chain.map(({ service, status }) => service ?? status),
      ['storefront', 'orders', 403],
    )
  })

  await check('refuses who has no token, a bad one, or one for somebody else', async () => {
    const token = await login(fullScope)
    const [header, claims, signature = ''] = token.split('.')
    const tampered = [header, claims, `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`].join(
      '.',
    )
    const none = await caller.get('/shop/cart')
    assert.equal(none.status, 401)
    assert.match(none.challenge, /^Bearer\b/)
    assert.equal((await caller.get('/shop/cart', tampered)).status, 401)
    assert.equal((await caller.get('/shop/cart', await login(fullScope, 'another-shop'))).status, 401)
  })

  await check('refuses a scope that is missing and a path that is not listed', async () => {
    assert.equal((await caller.get('/shop/cart', await login('orders:read'))).status, 403)
    assert.equal((await caller.get('/admin', await login(fullScope))).status, 404)
  })

  await check('lets through without a token what is said to be public, and only that', async () => {
    const answer = await caller.get('/healthz')
    assert.deepEqual([answer.status, answer.body], [200, 'ok\n'])
  })

  await check('keeps every service out of reach but through its gate', async () => {
    const tries = {
      storefront: [
        'http://orders:3000/',
        billingGate,
        'http://hub:8080/.well-known/oauth-authorization-server',
        'https://login:8443/jwks',
      ],
      orders: ['http://billing:3000/', 'http://storefront-gate:8080/shop/cart', 'http://hub:8080/'],
      'orders-gate': ['http://billing:3000/', 'http://hub:9090/livez', 'http://storefront-gate:9090/livez'],
    }
    const answers = await Promise.all(Object.entries(tries).map(([from, urls]) => fetchFrom(from, urls)))
    for (const [url, answer] of answers.flatMap(Object.entries<string>))
      assert.match(answer, unreachable, url)
    assert.deepEqual(await fetchFrom('orders', [billingGate]), { [billingGate]: '401' })
  })

  await check('makes the login token worth nothing behind the first gate', async () => {
    const token = await login(fullScope)
    assert.deepEqual(await fetchFrom('storefront', [ordersGate], token), { [ordersGate]: '401' })
    assert.deepEqual(await fetchFrom('orders', [billingGate], token), { [billingGate]: '401' })
  })

  await check('publishes the storefront and nothing else of ours', async () => {
    for (const service of [...legacy, 'orders-gate', 'billing-gate', 'hub', 'redis']) {
      assert.equal(await inspect(service, '{{len .HostConfig.PortBindings}}'), '0', service)
    }
  })

  await check('runs every container without root, capabilities and a writable root', async () => {
    const format =
      '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}'
    for (const service of [...gates, ...legacy, 'hub', 'redis', 'login']) {
      assert.equal(await inspect(service, format), '65532:65532 true [ALL] [no-new-privileges:true]', service)
    }
  })

  await check('shares issued tokens through Redis, sealed', async () => {
    await caller.get('/shop/cart', await login(fullScope))
    const dump = await project.run(
      'redis',
      `export REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /run/secrets/redis_conf)
       redis-cli --scan --pattern 'hopgate:*' | grep -v ':sts:' | while read -r key; do
         echo "$key"; redis-cli --raw get "$key"; done`,
    )
    assert.match(dump, /^hopgate:/)
    assert.doesNotMatch(dump, /eyJ/)
  })

  await check('knows its own tokens again after the hub was restarted', async () => {
    const token = await login(fullScope)
    assert.equal(chainOf(await caller.get('/shop/cart', token)).length, 3)
    await project.compose('restart', 'hub')
    await project.waitUntilHealthy(['hub'])
    assert.equal(chainOf(await caller.get('/shop/cart', token)).length, 3)
    assert.equal(chainOf(await caller.get('/shop/cart', await login(fullScope))).length, 3)
  })

  await check('writes an audit event for every hop and no token anywhere', async () => {
    const logs = await project.compose('logs', '--no-color', ...gates, 'hub')
    for (const service of legacy) {
      assert.match(
        logs,
        new RegExp(`"source":"/hopgate/${service}","type":"io\\.hopgate\\.hop\\.forwarded\\.v1"`),
      )
    }
    assert.match(logs, /"source":"\/hopgate\/storefront","type":"io\.hopgate\.hop\.refused\.v1"/)
    for (const token of seenTokens)
      assert.ok(!logs.includes(token.slice(-40)), 'a login token is in the logs')
    assert.doesNotMatch(logs, /eyJ[\w-]+\.eyJ/)
  })

  await check('ends every process with 0 within its grace time', async () => {
    await project.compose('stop')
    for (const service of [...gates, 'hub', ...legacy]) {
      assert.equal(await inspect(service, '{{.State.ExitCode}} {{.State.OOMKilled}}'), '0 false', service)
    }
  })
}

function chainOf(answer: Answer): Sighting[] {
  assert.equal(answer.status, 200, answer.body)
  const chain: Sighting[] = []
  let sighting: Sighting | undefined = JSON.parse(answer.body) as Sighting
  for (; sighting !== undefined; sighting = sighting.next) chain.push(sighting)
  return chain
}

function actorsOf(sighting: Sighting): unknown[] {
  const actors: unknown[] = []
  let actor = sighting.claims?.['act'] as Record<string, unknown> | undefined
  for (; actor !== undefined; actor = actor['act'] as Record<string, unknown> | undefined)
    actors.push(actor['sub'])
  return actors
}
