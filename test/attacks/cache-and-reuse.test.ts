import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type AttackedHop,
  issuerItem,
  issueToAnybody,
  readClaims,
  startAttackedHop,
} from '../support/attacked-hop.ts'
import { startCanary } from '../support/canary.ts'
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts'
import { openCaller } from '../support/keep-alive-caller.ts'
import { createRandom } from '../support/random.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import type { HopOptions } from '../support/start-hop.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { response } from '../support/upstream.ts'

/**
 * Pattern D: whoever keeps an answer for later may give it to somebody else. A cache key leaves something out; a client
 * library mixes up answers after one of them was given up; a connection is used again in the middle of a message; a
 * redirect takes a credential along; a token outlives what it was made of. Seen from outside: every request that reaches
 * the upstream carries a token of its own sender, for its own route, that is still good.
 *
 * The same at the level of the exchange stage, with replicas and a hostile Redis: `cache.test.ts` and
 * `exchange-answers.test.ts`.
 */

let open: AttackedHop[] = []
afterEach(async () => {
  for (const hop of open) await hop.close()
  open = []
})

async function start(options: HopOptions = {}): Promise<AttackedHop> {
  const hop = await startAttackedHop(options)
  open.push(hop)
  return hop
}

const nowSeconds = (): number => Math.floor(Date.now() / 1000)

/** Sends a token that must get through, and gives the token that the upstream got for it. */
async function passThrough(hop: AttackedHop, presented: string, path = '/orders/1'): Promise<string> {
  const index = hop.upstream.requests.length
  const answer = await hop.get(`Bearer ${presented}`, path)
  expect([answer.status, hop.upstream.requests.length]).toEqual([200, index + 1])
  return (hop.upstream.requests[index]?.header('authorization') ?? '').replace('Bearer ', '')
}

const outcome = async (hop: AttackedHop, presented: string): Promise<unknown> => {
  const events = hop.lines.length
  const { status } = await hop.get(`Bearer ${presented}`)
  return [status, (await hop.event(events)).refusal]
}

describe('D01 and D02: what a cached token belongs to', () => {
  const routes = `
  - { path: /a, audience: a-api, scope: orders:read }
  - { path: /b, audience: b-api, scope: orders:read }
  - { path: /c, audience: a-api, scope: orders:read orders:list }
  - { path: /d, audience: a-api, scope: orders:read, requested_token_type: jwt }
  - { path: /e, audience: a-api, scope: orders:read, resource: 'https://a.test/' }
  - { path: /f, audience: a-api, scope: orders:read, ttl: 5s }`

  it('D01 never uses the token of one route on another that asks for something else', async () => {
    const hop = await start({ routes })
    const presented = await hop.issuer.sign({ scope: 'orders:read orders:list' })
    const paths = ['/a', '/b', '/c', '/d', '/e', '/f']
    const tokens = new Map<string, string>()
    for (const path of paths) tokens.set(path, await passThrough(hop, presented, path))
    expect(new Set(tokens.values()).size).toBe(paths.length)
    expect(hop.server.tokenRequests).toHaveLength(paths.length)
    // The twin: on its own route each of them is used again.
    for (const path of paths) expect(await passThrough(hop, presented, path)).toBe(tokens.get(path))
    expect(hop.server.tokenRequests).toHaveLength(paths.length)
    expect(readClaims(tokens.get('/b') ?? '')).toMatchObject({ aud: 'b-api', scope: 'orders:read' })
    expect(readClaims(tokens.get('/c') ?? '')).toMatchObject({
      aud: 'a-api',
      scope: 'orders:list orders:read',
    })
  })

  it('D01 never shares between tokens that differ in anything that counts', async () => {
    const other = await createTestIssuer({ issuer: 'https://other.test', kid: 'other-1' })
    const hop = await start({ issuerRules: issuerItem(other, other.jwks.keys) })
    const same = { scope: 'orders:read', jti: 'one-and-the-same', iat: nowSeconds(), exp: nowSeconds() + 200 }
    const presented = [
      await hop.issuer.sign(same),
      await hop.issuer.sign({ ...same, sub: 'bob' }),
      await other.sign(same),
      await hop.issuer.sign({ ...same, act: { sub: 'gateway' } }),
      await hop.issuer.sign({ ...same, act: { sub: 'support' } }),
      await hop.issuer.sign({ ...same, acr: 'mfa' }),
      await hop.issuer.sign({ ...same, client_id: 'other' }),
      await hop.issuer.sign({ ...same, exp: same.exp + 1 }),
      await hop.issuer.sign({ ...same, scope: 'orders:read orders:refund' }),
      await hop.issuer.sign({ ...same, sub: 'alice ' }),
      await hop.issuer.sign({ ...same, sub: 'ALICE' }),
    ]
    const issued: string[] = []
    for (const token of presented) issued.push(await passThrough(hop, token))
    expect(new Set(issued).size).toBe(presented.length)
    for (const [index, token] of presented.entries()) {
      expect(await passThrough(hop, token)).toBe(issued[index])
      expect(readClaims(issued[index] ?? '')['sub']).toBe(readClaims(token)['sub'])
    }
  })

  it.each([
    [
      { audience: 'a', scope: 'b:c' },
      { audience: 'a:b', scope: 'c' },
    ],
    [
      { audience: 'a', scope: 'b|c' },
      { audience: 'a|b', scope: 'c' },
    ],
    [
      { audience: 'a,b', scope: 'c' },
      { audience: 'a', scope: 'b,c' },
    ],
    [
      { audience: 'ab', scope: 'c' },
      { audience: 'a', scope: 'bc' },
    ],
    [
      { audience: 'a', scope: 'b c' },
      { audience: 'a', scope: 'b' },
    ],
    [
      { audience: 'a/1', scope: 'c' },
      { audience: 'a', scope: '1/c' },
    ],
  ])('D02 tells %j from %j', async (one, two) => {
    const route = (path: string, { audience, scope }: typeof one) =>
      `\n  - { path: ${path}, audience: '${audience}', scope: '${scope}' }`
    const hop = await start({ routes: `${route('/one', one)}${route('/two', two)}` })
    const presented = await hop.issuer.sign({
      scope: [...new Set(`${one.scope} ${two.scope}`.split(' '))].join(' '),
    })
    const first = await passThrough(hop, presented, '/one')
    const second = await passThrough(hop, presented, '/two')
    expect(readClaims(first)).toMatchObject({ aud: one.audience })
    expect(readClaims(second)).toMatchObject({ aud: two.audience })
    expect(await passThrough(hop, presented, '/one')).toBe(first)
    expect(hop.server.tokenRequests).toHaveLength(2)
  })
})

describe('D03: everybody at once, and half of it breaks', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis({ faults: true })
  })
  afterAll(() => redis.stop())

  const [users, tokensEach, workers, requests, longestMs] = [60, 3, 24, 2400, 25_000]

  it('D03 never lets a request arrive with the token of another user', async () => {
    const hop = await start({
      more: `cache: { redis: '${redis.url}', timeout: 60ms, max_entries: 20 }`,
    })
    const random = createRandom(20_261_123)
    const issue = issueToAnybody(hop.server)
    hop.server.onToken(async request => {
      await sleep(random(40))
      return issue(request)
    })
    hop.upstream.answerWith(async ({ target }) => {
      await sleep(random(4))
      return response(200, userOf(target))
    })
    const tokens = await Promise.all(
      Array.from({ length: users * tokensEach }, (_, index) =>
        hop.issuer.sign({ scope: 'orders:read', sub: `u${index % users}` }),
      ),
    )

    const deadline = performance.now() + longestMs
    const counts = { sent: 0, aborted: 0, answered: 0, unavailable: 0 }
    const work = async (): Promise<void> => {
      let caller = await openCaller(hop.port)
      while (counts.sent < requests && performance.now() < deadline) {
        const index = random(tokens.length)
        const user = `u${index % users}`
        const bytes = requestOf(user, counts.sent, tokens[index] ?? '', random(3) === 0)
        counts.sent += 1
        if (random(3) === 0) {
          counts.aborted += 1
          caller.abort(bytes.subarray(0, 1 + random(bytes.length)))
          await sleep(random(10))
          caller = await openCaller(hop.port)
          continue
        }
        const answer = await caller.send(bytes)
        if (answer.status === 200) {
          counts.answered += 1
          expect(answer.text).toBe(user)
        } else {
          counts.unavailable += 1
          expect(answer.status).toBe(503)
        }
      }
      caller.abort()
    }
    const faults = breakThings(redis, random)
    try {
      await Promise.all(Array.from({ length: workers }, work))
    } finally {
      await faults.stop()
    }

    const arrived = hop.upstream.connections.flatMap(({ raw }) => arrivals(raw.toString('latin1')))
    for (const { user, token } of arrived) expect(readClaims(token)['sub']).toBe(user)
    for (const event of hop.lines.map(line => JSON.parse(line).data)) {
      if (event.inbound !== undefined) expect(event.inbound.sub).toBe(userOf(event.path))
    }
    // What would make all this say nothing: too few requests, no aborts, no faults, no Redis.
    expect(arrived.length).toBeGreaterThan(requests / 4)
    expect(counts.aborted).toBeGreaterThan(requests / 10)
    expect(counts.answered).toBeGreaterThan(counts.unavailable)
    expect(faults.count()).toBeGreaterThan(5)
    expect(hop.log.some(line => line.includes('Redis is down'))).toBe(true)
    expect(hop.lines.some(line => line.includes('"source":"redis"'))).toBe(true)
  })
})

describe('D05: sent elsewhere', () => {
  it.each([301, 302, 303, 307, 308])(
    'D05 hands a %i of the upstream on, and does not follow it',
    async status => {
      const canary = await startCanary('here')
      const hop = await start()
      hop.upstream.enqueue(response(status, '', { Location: canary.url, 'Set-Cookie': 'a=b; Path=/' }))
      const answer = await hop.get(`Bearer ${await hop.issuer.sign({ scope: 'orders:read' })}`)
      expect([answer.status, answer.header('location'), answer.header('set-cookie')]).toEqual([
        status,
        canary.url,
        'a=b; Path=/',
      ])
      expect(hop.upstream.requests).toHaveLength(1)
      expect(canary.connections()).toBe(0)
      await canary.close()
    },
  )

  it.each([301, 302, 303, 307, 308])('D05 follows no %i of the token endpoint, near or far', async status => {
    const canary = await startCanary('{}')
    const hop = await start()
    for (const location of [canary.url, `${hop.server.issuer}/elsewhere`]) {
      hop.server.onToken(() => ({ status, headers: { location } }))
      const presented = await hop.issuer.sign({ scope: 'orders:read' })
      expect(await outcome(hop, presented)).toEqual([502, 'exchange.malformed'])
    }
    expect(hop.upstream.requests).toEqual([])
    expect(hop.server.paths).not.toContain('/elsewhere')
    expect(hop.server.tokenRequests).toHaveLength(2)
    expect(canary.connections()).toBe(0)
    await canary.close()
  })
})

describe('D06: lives', () => {
  let clock: FakeClock
  let issuer: TestIssuer
  beforeAll(async () => {
    issuer = await createTestIssuer({ issuer: 'https://login.test' })
  })

  const startClocked = (): Promise<AttackedHop> => {
    clock = createFakeClock(nowSeconds())
    return start({
      issuer,
      clock,
      routes: "\n  - { path: '/orders/**', audience: orders-api, scope: orders:read }",
    })
  }
  const presentFor = (seconds: number): Promise<string> =>
    issuer.sign({ scope: 'orders:read', iat: clock.now() - 10, exp: clock.now() + seconds })

  it('D06 uses no issued token longer than the token that it was made of', async () => {
    const hop = await startClocked()
    const presented = await presentFor(5)
    const first = await passThrough(hop, presented)
    expect(readClaims(first)['exp']).toBe(clock.now() + 300)
    clock.advanceMs(2400)
    expect(await passThrough(hop, presented)).toBe(first)
    clock.advanceMs(2500)
    expect(await passThrough(hop, presented)).not.toBe(first)
    clock.advanceMs(100)
    const upstream = hop.upstream.requests.length
    expect(await outcome(hop, presented)).toEqual([401, 'exchange.subject_rejected'])
    clock.advanceMs(5000)
    expect(await outcome(hop, presented)).toEqual([401, 'token.invalid'])
    expect(hop.upstream.requests).toHaveLength(upstream)
  })

  it('D06 forwards nothing when the token that is exchanged ends meanwhile, and blames nobody', async () => {
    const hop = await startClocked()
    const issue = issueToAnybody(hop.server, clock)
    hop.server.onToken(request => {
      clock.advanceMs(6000)
      return issue(request)
    })
    const presented = await presentFor(5)
    expect(await outcome(hop, presented)).toEqual([401, 'exchange.subject_rejected'])
    expect(hop.upstream.requests).toEqual([])
    expect(hop.log.filter(line => line.includes('exchange failed'))).toEqual([])
    await passThrough(hop, await presentFor(60))
  })

  it.each<[string, unknown, number]>([
    ['its own exp', undefined, 5],
    ['its own exp, whatever expires_in says', 1e12, 5],
    ['expires_in, whatever its exp says', 5, 300],
  ])('D06 uses no issued token longer than %s', async (_what, expiresIn, life) => {
    const hop = await startClocked()
    const issue = issueToAnybody(hop.server, clock)
    hop.server.onToken(async request => {
      const script = await issue(request)
      if (typeof script === 'function') throw new Error('not an answer')
      const claims = { ...hop.server.claimsFor(request.form), iat: clock.now(), exp: clock.now() + life }
      const token = await hop.server.signer.sign(claims)
      return { body: { ...(script.body as object), access_token: token, expires_in: expiresIn } }
    })
    const presented = await presentFor(300)
    const first = await passThrough(hop, presented)
    clock.advanceMs(2000)
    expect(await passThrough(hop, presented)).toBe(first)
    clock.advanceMs(3000)
    expect(await passThrough(hop, presented)).not.toBe(first)
  })

  it.each([-30, 30])('D06 lives with a server whose clock differs by %i s', async seconds => {
    const hop = await startClocked()
    const serverClock = { now: () => clock.now() + seconds, monotonicMs: () => 0 }
    hop.server.onToken(issueToAnybody(hop.server, serverClock))
    const presented = await presentFor(3600)
    const first = await passThrough(hop, presented)
    const endsAt = Number(readClaims(first)['exp'])
    while (clock.now() < endsAt - 15) {
      clock.advanceMs(20_000)
      const token = await passThrough(hop, presented)
      expect(Number(readClaims(token)['exp'])).toBeGreaterThan(clock.now())
    }
    clock.advanceMs(20_000)
    expect(await passThrough(hop, presented)).not.toBe(first)
  })

  it.each([0, -1, 'soon', null])('D06 keeps nothing of an answer with expires_in %j', async expires_in => {
    const hop = await startClocked()
    hop.server.onTokenIssue({ response: { expires_in } })
    const presented = await presentFor(300)
    for (const _attempt of [1, 2]) expect(await outcome(hop, presented)).toEqual([502, 'exchange.contract'])
    expect(hop.server.tokenRequests).toHaveLength(2)
    expect(hop.upstream.requests).toEqual([])
    hop.server.onToken(issueToAnybody(hop.server, clock))
    await passThrough(hop, presented)
  })
})

describe('D09 and D10: many askers, and a no', () => {
  const many = 200

  it('D09 exchanges once for 200 requests at once with a token that nobody knows yet', async () => {
    const hop = await start()
    slowly(hop, issueToAnybody(hop.server))
    const presented = await hop.issuer.sign({ scope: 'orders:read' })
    const statuses = await Promise.all(
      Array.from({ length: many }, async () => (await hop.get(`Bearer ${presented}`)).status),
    )
    expect(statuses).toEqual(new Array(many).fill(200))
    expect(hop.server.tokenRequests).toHaveLength(1)
    expect(new Set(hop.upstream.requests.map(one => one.header('authorization'))).size).toBe(1)
    const sources = hop.lines.map(line => JSON.parse(line).data.outbound.source)
    expect(sources.filter(source => source === 'issued')).toHaveLength(1)
  })

  it('D09 lets all fail together when that exchange fails, and keeps the failure for nobody', async () => {
    const hop = await start()
    slowly(hop, async () => ({ status: 503 }))
    const presented = await hop.issuer.sign({ scope: 'orders:read' })
    const statuses = await Promise.all(
      Array.from({ length: many }, async () => (await hop.get(`Bearer ${presented}`)).status),
    )
    expect(statuses).toEqual(new Array(many).fill(503))
    expect(hop.server.tokenRequests).toHaveLength(1)
    expect(hop.upstream.requests).toEqual([])
    hop.server.onToken(issueToAnybody(hop.server))
    await passThrough(hop, presented)
    expect(hop.server.tokenRequests).toHaveLength(2)
  })

  it('D10 remembers a no for seconds, for exactly that token, and not when the server is down', async () => {
    const clock = createFakeClock(nowSeconds())
    const hop = await start({ clock })
    const [one, two] = [
      await hop.issuer.sign({ scope: 'orders:read' }),
      await hop.issuer.sign({ scope: 'orders:read' }),
    ]
    hop.server.onToken(() => ({ status: 400, body: { error: 'invalid_grant' } }))
    for (const _attempt of [1, 2, 3])
      expect(await outcome(hop, one)).toEqual([401, 'exchange.subject_rejected'])
    expect(hop.server.tokenRequests).toHaveLength(1)
    hop.server.onToken(issueToAnybody(hop.server, clock))
    await passThrough(hop, two)
    expect(await outcome(hop, one)).toEqual([401, 'exchange.subject_rejected'])
    clock.advanceMs(5000)
    await passThrough(hop, one)

    const three = await hop.issuer.sign({ scope: 'orders:read' })
    hop.server.onToken(() => ({ status: 503 }))
    const before = hop.server.tokenRequests.length
    for (const _attempt of [1, 2]) expect(await outcome(hop, three)).toEqual([503, 'exchange.unavailable'])
    expect(hop.server.tokenRequests).toHaveLength(before + 2)
    hop.server.onToken(issueToAnybody(hop.server, clock))
    await passThrough(hop, three)
  })

  function slowly(hop: AttackedHop, script: ReturnType<typeof issueToAnybody>): void {
    hop.server.onToken(async request => {
      await sleep(500)
      return script(request)
    })
  }
})

function userOf(path: string): string {
  return path.split('/')[2] ?? ''
}

function requestOf(user: string, number: number, token: string, hasBody: boolean): Buffer {
  const head = `${hasBody ? 'POST' : 'GET'} /orders/${user}/${number} HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n`
  return Buffer.from(hasBody ? `${head}Content-Length: 3000\r\n\r\n${'x'.repeat(3000)}` : `${head}\r\n`)
}

/** Whose path came with which token, in the bytes of one connection; heads of broken-off requests included. */
function arrivals(raw: string): { user: string; token: string }[] {
  const heads = raw.matchAll(/(?:GET|POST) \/orders\/(u\d+)\/\d+ HTTP\/1\.1\r\n(.*?)\r\n\r\n/gs)
  return [...heads].map(([, user = '', fields = '']) => ({
    user,
    token: /^authorization: Bearer (\S+)/im.exec(fields)?.[1] ?? '',
  }))
}

/** Pauses Redis, kills its clients and freezes it, in turn, until told to stop. */
function breakThings(redis: TestRedis, random: (below: number) => number) {
  let [count, isOn] = [0, true]
  const faults = [
    () => redis.cli('CLIENT', 'PAUSE', '80', 'ALL'),
    () => redis.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
    () => redis.pause(70),
  ]
  const loop = (async () => {
    while (isOn) {
      // A command may itself be hit by the fault before it.
      await faults[random(faults.length)]?.().catch(() => {})
      count += 1
      await sleep(100 + random(100))
    }
  })()
  return {
    count: () => count,
    async stop() {
      isOn = false
      await loop
    },
  }
}
