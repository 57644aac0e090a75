import assert from 'node:assert/strict'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import type { BaseImages } from './base-images.ts'
import { type Answer, createCaller } from './caller.ts'
import type { Checklist } from './checklist.ts'
import type { Engine } from './engine.ts'
import { runCommand } from './shell.ts'

const gates = ['storefront-gate', 'orders-gate', 'billing-gate']
const fullScope = 'shop:read orders:read billing:read'

/** What one legacy service says it saw, and what the next one behind it said. */
interface Sighting {
  readonly service?: string
  readonly status?: number | string
  readonly claims?: Record<string, unknown> | null
  readonly next?: Sighting
}

/** Starts deploy/compose as its README says, in a copy of the folder, and asks it for what it promises. */
export async function checkCompose(
  engine: Engine,
  checklist: Checklist,
  image: string,
  base: BaseImages,
  root: string,
  folder: string,
  onCleanup: (clean: () => Promise<unknown>) => void,
): Promise<void> {
  const cwd = join(folder, 'compose')
  cpSync(join(root, 'deploy/compose'), cwd, {
    recursive: true,
    filter: source => !/\/(secrets|\.env)$/.test(source),
  })
  await runCommand('sh', ['make-secrets.sh', '--try'], { cwd })
  const [shopPort, loginPort] = [await findFreePort(), await findFreePort()]
  const project = `hopgate-test-${process.pid}`
  const env = {
    COMPOSE_PROJECT_NAME: project,
    HOPGATE_IMAGE: image,
    NODE_IMAGE: base.node,
    REDIS_IMAGE: base.redis,
    STOREFRONT_ADDRESS: `127.0.0.1:${shopPort}`,
    LOGIN_ADDRESS: `127.0.0.1:${loginPort}`,
  }
  const compose = (...args: string[]) => engine.compose(args, { cwd, env, timeoutMs: 180_000 })
  const idOf = async (service: string) =>
    (await compose('ps', '--all', '-q', service).catch(() => compose('ps', '-q', service))).trim()
  const inspect = async (service: string, format: string) =>
    (await engine.docker(['inspect', '--format', format, await idOf(service)])).trim()
  /** Fetches from inside a container: the status, or what kept it from getting one. */
  const fetchFrom = async (service: string, url: string, token?: string): Promise<string> => {
    const script = `
      fetch(process.argv[1], {
        headers: process.argv[2] ? { authorization: 'Bearer ' + process.argv[2] } : {},
        signal: AbortSignal.timeout(2000),
      }).then(answer => console.log(answer.status), error => console.log(error.cause?.code ?? error.name))`
    const args = ['exec', await idOf(service), 'node', '-e', script, '--', url, token ?? '']
    return (await engine.docker(args)).trim()
  }
  const caller = createCaller({
    shopPort,
    loginPort,
    ca: readFileSync(join(cwd, 'secrets/login-ca.pem'), 'utf8'),
  })
  const seenTokens: string[] = []
  const login = async (scope: string, audience = 'shop-web') => {
    const token = await caller.login('anna', audience, scope)
    seenTokens.push(token)
    return token
  }

  onCleanup(() => caller.close())
  onCleanup(() => compose('down', '--volumes', '--remove-orphans', '--timeout', '5'))

  await compose('up', '--detach', '--no-build')
  await waitUntilHealthy([...gates, 'hub'], inspect, compose)

  await checklist.check(
    'carries a request through three services, each with a token for itself alone',
    async () => {
      const answer = await caller.get('/shop/cart', await login(fullScope))
      assert.equal(answer.status, 200, answer.body)
      const [storefront, orders, billing] = chainOf(answer)
      for (const [sighting, audience] of [
        [storefront, 'storefront'],
        [orders, 'orders'],
        [billing, 'billing'],
      ] as const) {
        assert.equal(sighting?.service, audience)
        assert.equal(sighting.claims?.['iss'], 'http://hub:8080')
        assert.equal(sighting.claims?.['aud'], audience)
        assert.equal(sighting.claims?.['sub'], 'anna')
      }
      assert.deepEqual(actorsOf(storefront), ['storefront'])
      assert.deepEqual(actorsOf(orders), ['orders', 'storefront'])
      assert.deepEqual(actorsOf(billing), ['billing', 'orders', 'storefront'])
    },
  )

  await checklist.check('narrows the scope at every hop', async () => {
    const chain = chainOf(await caller.get('/shop/cart', await login(fullScope)))
    assert.deepEqual(
      chain.map(sighting => sighting.claims?.['scope']),
      [fullScope, 'orders:read billing:read', 'billing:read'],
    )
  })

  await checklist.check('stops in the middle of the chain when the user may not go on', async () => {
    const answer = await caller.get('/shop/cart', await login('shop:read orders:read'))
    assert.equal(answer.status, 200)
    assert.deepEqual(
      chainOf(answer).map(sighting => sighting.service ?? sighting.status),
      ['storefront', 'orders', 403],
    )
  })

  await checklist.check('refuses who has no token, a bad one, or one for somebody else', async () => {
    const token = await login(fullScope)
    const tampered = `${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`
    const none = await caller.get('/shop/cart')
    assert.equal(none.status, 401)
    assert.match(none.challenge, /^Bearer\b/)
    assert.equal((await caller.get('/shop/cart', tampered)).status, 401)
    assert.equal((await caller.get('/shop/cart', await login(fullScope, 'another-shop'))).status, 401)
  })

  await checklist.check('refuses a scope that is missing and a path that is not listed', async () => {
    assert.equal((await caller.get('/shop/cart', await login('orders:read'))).status, 403)
    assert.equal((await caller.get('/admin', await login(fullScope))).status, 404)
  })

  await checklist.check('keeps every service out of reach but through its gate', async () => {
    const unreachable = /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|TimeoutError)$/
    for (const [from, url] of [
      ['storefront', 'http://orders:3000/'],
      ['storefront', 'http://billing:3000/'],
      ['storefront', 'http://billing-gate:8080/billing/17'],
      ['storefront', 'http://hub:8080/.well-known/oauth-authorization-server'],
      ['storefront', 'https://login:8443/jwks'],
      ['orders', 'http://billing:3000/'],
      ['orders', 'http://hub:8080/'],
      ['orders-gate', 'http://storefront-gate:9090/livez'],
      ['orders-gate', 'http://billing:3000/'],
    ] as const) {
      assert.match(await fetchFrom(from, url), unreachable, `${url} from ${from}`)
    }
    assert.equal(await fetchFrom('orders', 'http://billing-gate:8080/billing/17'), '401')
  })

  await checklist.check('makes the login token worth nothing behind the first gate', async () => {
    const token = await login(fullScope)
    assert.equal(await fetchFrom('storefront', 'http://orders-gate:8080/orders/17', token), '401')
    assert.equal(await fetchFrom('orders', 'http://billing-gate:8080/billing/17', token), '401')
  })

  await checklist.check('publishes the storefront and nothing else of ours', async () => {
    for (const service of [
      'storefront',
      'orders-gate',
      'orders',
      'billing-gate',
      'billing',
      'hub',
      'redis',
    ]) {
      assert.equal(await inspect(service, '{{len .HostConfig.PortBindings}}'), '0', service)
    }
  })

  await checklist.check('runs every container without root, capabilities and a writable root', async () => {
    const format =
      '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}'
    for (const service of [...gates, 'storefront', 'orders', 'billing', 'hub', 'redis', 'login']) {
      assert.equal(await inspect(service, format), '65532:65532 true [ALL] [no-new-privileges:true]', service)
    }
  })

  await checklist.check('shares issued tokens through Redis, sealed', async () => {
    const script = `export REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /run/secrets/redis_conf)
        redis-cli --scan --pattern 'hopgate:*' | while read -r key; do
          echo "$key"; redis-cli --raw dump "$key"; redis-cli --raw get "$key" 2>&1; done`
    const dump = await engine.docker(['exec', await idOf('redis'), 'sh', '-c', script])
    assert.match(dump, /^hopgate:/)
    assert.doesNotMatch(dump, /eyJ[\w-]{20}/)
  })

  await checklist.check('knows its own tokens again after the hub was restarted', async () => {
    const token = await login(fullScope)
    assert.equal((await caller.get('/shop/cart', token)).status, 200)
    await compose('restart', 'hub')
    await waitUntilHealthy(['hub'], inspect, compose)
    assert.equal(chainOf(await caller.get('/shop/cart', token)).length, 3)
    assert.equal(chainOf(await caller.get('/shop/cart', await login(fullScope))).length, 3)
  })

  await checklist.check('writes an audit event for every hop and no token anywhere', async () => {
    const logs = await compose('logs', '--no-color', ...gates, 'hub')
    for (const service of gates) {
      assert.match(logs, new RegExp(`${service}.*"outcome":"forwarded"`), `no audit event of ${service}`)
    }
    assert.match(logs, /storefront-gate.*"outcome":"refused"/)
    for (const token of seenTokens) assert.ok(!logs.includes(token), 'a login token is in the logs')
    assert.doesNotMatch(logs, /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{20}/)
  })

  await checklist.check('ends every process with 0 within its grace time', async () => {
    await compose('stop')
    for (const service of [...gates, 'hub', 'storefront', 'orders', 'billing']) {
      assert.equal(await inspect(service, '{{.State.ExitCode}} {{.State.OOMKilled}}'), '0 false', service)
    }
  })
}

/** `up` waits for what others depend on; the gates at the end of that line are waited for here. */
async function waitUntilHealthy(
  services: readonly string[],
  inspect: (service: string, format: string) => Promise<string>,
  compose: (...args: string[]) => Promise<string>,
): Promise<void> {
  const deadline = Date.now() + 90_000
  for (const service of services) {
    while ((await inspect(service, '{{.State.Health.Status}}')) !== 'healthy') {
      if (Date.now() > deadline)
        throw new Error(`${service} is not healthy:\n${await compose('logs', service)}`)
      await sleep(500)
    }
  }
}

function chainOf(answer: Answer): Sighting[] {
  assert.equal(answer.status, 200, answer.body)
  const chain: Sighting[] = []
  for (let at: Sighting | undefined = JSON.parse(answer.body) as Sighting; at !== undefined; at = at.next)
    chain.push(at)
  return chain
}

function actorsOf(sighting: Sighting | undefined): unknown[] {
  const actors: unknown[] = []
  let actor = sighting?.claims?.['act'] as Record<string, unknown> | undefined
  for (; actor !== undefined; actor = actor['act'] as Record<string, unknown> | undefined)
    actors.push(actor['sub'])
  return actors
}
