import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { channels } from '../../src/base/channels.ts'
import { createLog, silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type { CacheKey } from '../../src/hop/exchange/cache-key.ts'
import { RedisCache } from '../../src/hop/exchange/redis-cache.ts'
import { canMakeCertificates, createCertificate } from '../support/certificate.ts'
import { type FakeRedis, type FakeRedisAnswer, startFakeRedis } from '../support/fake-redis.ts'
import { anIssuedToken } from '../support/nouns.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

/** What the shared tier does when Redis is down, slow, full, or not ours. The rule: a miss, soon, and nothing thrown. */

const opened: RedisCache[] = []
const lines: string[] = []
const states: string[] = []
const rejected: string[] = []
const onState = (message: unknown) => states.push((message as { state: string }).state)
const onRejected = (message: unknown) => rejected.push((message as { reason: string }).reason)

beforeEach(() => {
  for (const list of [lines, states, rejected]) list.length = 0
  channels.redis.subscribe(onState)
  channels.cacheRejected.subscribe(onRejected)
})
afterEach(() => {
  channels.redis.unsubscribe(onState)
  channels.cacheRejected.unsubscribe(onRejected)
  for (const cache of opened.splice(0)) cache.close()
})

const now = () => Date.now() / 1000
const aKey = (): CacheKey => ({ id: randomBytes(32).toString('base64url'), seal: randomBytes(32) })
const aToken = (tokenId = 'jti') => anIssuedToken({ expiresAt: now() + 120, tokenId })

function open(url: string, about: { timeoutMs?: number; prefix?: string; ca?: string } = {}): RedisCache {
  const { timeoutMs = 200, prefix = 'test:', ...others } = about
  const log = createLog('test', line => lines.push(line))
  const cache = new RedisCache({ url: new Secret(url), prefix, timeoutMs, log, ...others })
  opened.push(cache)
  return cache
}

const isUp = (cache: RedisCache, up = true) => vi.waitFor(() => expect(cache.isUp).toBe(up), 8000)

describe('a Redis that comes and goes', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis({ faults: true })
  })
  afterAll(() => redis.stop())

  it('is not waited for at the start, is a miss at once while it is away, and is found when it comes', async () => {
    await redis.stop()
    const cache = open(redis.url)
    expect(cache.get(aKey(), now())).toBeUndefined()
    expect(cache.set(aKey(), aToken(), now())).toBeUndefined()
    expect(cache.delete(aKey())).toBeUndefined()
    await vi.waitFor(() => expect(states).toEqual(['down']))
    await redis.restart()
    await isUp(cache)
    expect(states).toEqual(['down', 'up'])
    const key = aKey()
    await cache.set(key, aToken(), now())
    expect(await cache.get(key, now())).toBeDefined()
  })

  it('costs nothing while it is away, and is used again when it is back', async () => {
    const cache = open(redis.url)
    await isUp(cache)
    await redis.stop()
    await isUp(cache, false)
    for (let index = 0; index < 1000; index++) expect(cache.get(aKey(), now())).toBeUndefined()
    await redis.restart()
    await isUp(cache)
    const key = aKey()
    await cache.set(key, aToken(), now())
    expect((await cache.get(key, now()))?.tokenId).toBe('jti')
    expect(states).toEqual(['up', 'down', 'up'])
  })

  it('is given up after the time limit when it hangs, for everybody at once, and later answers no question of before', async () => {
    const cache = open(redis.url)
    await isUp(cache)
    const keys = Array.from({ length: 50 }, aKey)
    for (const [index, key] of keys.entries()) await cache.set(key, aToken(`t${index}`), now())
    const paused = redis.pause(1500)
    const answers = await Promise.all(keys.map(key => cache.get(key, now())))
    expect(answers).toEqual(keys.map(() => undefined))
    expect(cache.isUp).toBe(false)
    expect(cache.get(keys[0] as CacheKey, now())).toBeUndefined()
    await paused
    await isUp(cache)
    for (const [index, key] of keys.entries()) {
      expect((await cache.get(key, now()))?.tokenId).toBe(`t${index}`)
    }
  })

  it('is not used after close, and a lost connection is then nobody’s business', async () => {
    const cache = open(redis.url)
    await isUp(cache)
    cache.close()
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(states).toEqual(['up'])
    expect(await cache.get(aKey(), now())).toBeUndefined()
  })
})

describe('a Redis that refuses', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis({ faults: true })
  })
  afterAll(() => redis.stop())

  it('takes no entries when it is full, which is said once, and goes on answering', async () => {
    const cache = open(redis.url)
    await isUp(cache)
    const key = aKey()
    await cache.set(key, aToken(), now())
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1mb')
    for (let index = 0; index < 3; index++) await cache.set(aKey(), aToken(), now())
    expect(cache.isUp).toBe(true)
    expect(await cache.get(key, now())).toBeDefined()
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
    await cache.set(aKey(), aToken(), now())
    const messages = lines.map(line => JSON.parse(line) as { message: string; reason?: string })
    expect(messages.filter(({ reason }) => reason === 'OOM').length).toBe(1)
    expect(messages.at(-1)?.message).toBe('Redis takes entries again')
  })

  it('takes no entries when it has become a replica', async () => {
    const cache = open(redis.url)
    await isUp(cache)
    await redis.cli('REPLICAOF', '127.0.0.1', '1')
    await cache.set(aKey(), aToken(), now())
    expect(lines.join()).toContain('READONLY')
    await redis.cli('REPLICAOF', 'NO', 'ONE')
    await isUp(cache)
    const key = aKey()
    await vi.waitFor(async () => {
      await cache.set(key, aToken(), now())
      expect(await cache.get(key, now())).toBeDefined()
    })
  })

  it('is down for whoever has no password or a wrong one, and no password is ever written', async () => {
    const password = 'p%40ss word/canary'
    await redis.cli('ACL', 'SETUSER', 'gate', 'on', `>${password}`, '~*', '+@all')
    await redis.cli('ACL', 'SETUSER', 'default', 'off')
    const at = `127.0.0.1:${redis.port}`
    const good = open(`redis://gate:${encodeURIComponent(password)}@${at}/2`)
    const wrong = open(`redis://gate:wrong-canary@${at}`)
    const none = open(`redis://${at}`)
    await isUp(good)
    await vi.waitFor(() => expect(states.filter(state => state === 'down').length).toBe(2))
    expect([wrong.isUp, none.isUp]).toEqual([false, false])
    expect(lines.join()).toContain('WRONGPASS')
    expect(lines.join()).toContain('NOAUTH')
    expect(lines.join()).not.toContain('canary')
  })
})

describe('a Redis whose content is not ours', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis({ faults: true })
  })
  afterAll(() => redis.stop())

  const start = async () => {
    const cache = open(redis.url)
    await isUp(cache)
    const key = aKey()
    await cache.set(key, aToken(), now())
    return { cache, key, name: `test:${key.id}` }
  }

  it('holds nothing that could be read, and lets it go in time', async () => {
    const { key, name } = await start()
    const everything = await redis.cli('GET', name)
    for (const text of ['issued.token.value', 'orders-api', 'orders:read', key.seal.toString('latin1')]) {
      expect(everything).not.toContain(text)
    }
    const lifeMs = Number(await redis.cli('PTTL', name))
    expect(lifeMs).toBeGreaterThan(110_000)
    expect(lifeMs).toBeLessThanOrEqual(120_000)
  })

  it.each<[string, (name: string) => Promise<unknown>]>([
    ['cut', name => redis.cli('SETRANGE', name, '40', 'xx')],
    ['replaced by text', name => redis.cli('SET', name, 'eyJhbGciOiJub25lIn0.e30.')],
    ['prolonged', name => redis.cli('APPEND', name, 'x')],
    ['changed in its version', name => redis.cli('SETRANGE', name, '0', '\u0002')],
  ])('is a miss when an entry was %s, and that is announced', async (_what, change) => {
    const { cache, key, name } = await start()
    expect(await cache.get(key, now())).toBeDefined()
    await change(name)
    expect(await cache.get(key, now())).toBeUndefined()
    expect(rejected).toEqual(['unreadable'])
    expect(lines.at(-1)).toContain(name)
    await cache.set(key, aToken(), now())
    expect(await cache.get(key, now())).toBeDefined()
  })

  it('is a miss when another key’s entry was moved here', async () => {
    const [victim, attacker] = [await start(), await start()]
    await redis.cli('COPY', attacker.name, victim.name, 'REPLACE')
    expect(await victim.cache.get(victim.key, now())).toBeUndefined()
    expect(rejected).toEqual(['unreadable'])
  })

  it('is a miss when something of another type is there, until it is written again', async () => {
    const { cache, key, name } = await start()
    await redis.cli('DEL', name)
    await redis.cli('LPUSH', name, 'a')
    expect(await cache.get(key, now())).toBeUndefined()
    expect(rejected).toEqual(['wrong_type'])
    expect(cache.isUp).toBe(true)
    await cache.set(key, aToken(), now())
    expect(await cache.get(key, now())).toBeDefined()
  })

  it('never makes us read more than an entry can be', async () => {
    const { cache, key, name } = await start()
    await redis.cli('SETRANGE', name, String(50 * 1024 * 1024), 'x')
    await redis.cli('CONFIG', 'RESETSTAT')
    expect(await cache.get(key, now())).toBeUndefined()
    const sent = Number(/total_net_output_bytes:(\d+)/.exec(await redis.cli('INFO', 'stats'))?.[1])
    expect(sent).toBeLessThan(1_000_000)
  })

  it('gets names that hold our prefix and a digest, whatever a token says', async () => {
    const { name } = await start()
    expect(name).toMatch(/^test:[A-Za-z0-9_-]{43}$/)
  })
})

describe('a server that is no good Redis', () => {
  let server: FakeRedis | undefined
  afterEach(async () => {
    for (const cache of opened.splice(0)) cache.close()
    await server?.close()
  })

  const connect = async (answer: (command: readonly string[]) => FakeRedisAnswer) => {
    server = await startFakeRedis(answer)
    return open(`redis://127.0.0.1:${server.port}`)
  }
  const onRead = (reply: FakeRedisAnswer) => (command: readonly string[]) =>
    command[0] === 'GETRANGE' ? reply : ':0\r\n'

  it.each([
    ['MOVED', '-MOVED 3999 127.0.0.1:6381\r\n'],
    ['ASK', '-ASK 3999 127.0.0.1:6381\r\n'],
    ['NOPERM', "-NOPERM this user has no permissions to run the 'getrange' command\r\n"],
    ['an unknown command', '-ERR unknown command\r\n'],
    ['an empty text', '$0\r\n\r\n'],
  ])('is a miss for %s, and is asked again', async (_what, reply) => {
    const cache = await connect(onRead(reply))
    await isUp(cache)
    expect(await cache.get(aKey(), now())).toBeUndefined()
    expect(cache.isUp).toBe(true)
  })

  it.each([
    ['LOADING', '-LOADING Redis is loading the dataset in memory\r\n'],
    ['MASTERDOWN', '-MASTERDOWN Link with MASTER is down\r\n'],
    ['no RESP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['nothing', undefined],
  ])('is a miss and down for %s', async (_what, reply) => {
    const cache = await connect(onRead(reply))
    await isUp(cache)
    expect(await cache.get(aKey(), now())).toBeUndefined()
    expect(cache.isUp).toBe(false)
  })

  it('is not asked in a loop when it accepts connections and says nothing', async () => {
    server = await startFakeRedis(() => undefined)
    const cache = open(`redis://127.0.0.1:${server.port}`, { timeoutMs: 30 })
    await new Promise(resolve => setTimeout(resolve, 2000))
    expect(cache.isUp).toBe(false)
    await until(() => (server?.commands.length ?? 0) >= 2, 'it is asked again')
    expect(server.commands.length).toBeLessThan(7)
  })
})

describe('the address of a Redis', () => {
  it.each([
    'http://127.0.0.1:6379',
    'redis://',
    'canary',
    'redis://h:6379/x',
    'redis://h:6379/0?tls.rejectUnauthorized=false',
    'redis://h:6379/#canary',
    'redis://:%zzcanary@h:6379',
  ])('is refused at the start when it is %j, without being quoted', address => {
    const attempt = () =>
      new RedisCache({ url: new Secret(address), prefix: '', timeoutMs: 10, log: silentLog }).close()
    expect(attempt).toThrow(TypeError)
    expect(attempt).not.toThrow(/canary/)
  })
})

const named = canMakeCertificates ? '' : ' (skipped: openssl is not on PATH)'

describe.skipIf(!canMakeCertificates)(`rediss:${named}`, () => {
  let server: FakeRedis
  afterEach(async () => {
    for (const cache of opened.splice(0)) cache.close()
    await server.close()
  })

  it('uses a server whose certificate is trusted', async () => {
    const certificate = createCertificate('IP:127.0.0.1')
    server = await startFakeRedis(() => ':0\r\n', certificate)
    const cache = open(`rediss://127.0.0.1:${server.port}`, { ca: certificate.cert })
    await isUp(cache)
  })

  it.each([
    ['is not trusted', 'IP:127.0.0.1', false, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['is for another host', 'IP:127.0.0.2', true, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('sends nothing to a server whose certificate %s', async (_what, name, isTrusted, reason) => {
    const certificate = createCertificate(name)
    server = await startFakeRedis(() => ':0\r\n', certificate)
    const trust = isTrusted ? { ca: certificate.cert } : {}
    const cache = open(`rediss://user:canary@127.0.0.1:${server.port}`, { ...trust })
    await vi.waitFor(() => expect(states).toEqual(['down']), 5000)
    expect(lines.join()).toContain(reason)
    expect(cache.isUp).toBe(false)
    expect(server.commands).toEqual([])
  })
})
