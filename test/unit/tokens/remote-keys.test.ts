import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { channels } from '../../../src/base/channels.ts'
import { HttpClientError } from '../../../src/base/http-client.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { Result } from '../../../src/base/result.ts'
import type { IssuerRules } from '../../../src/config/sidecar-config.ts'
import { createIssuerKeys } from '../../../src/tokens/issuer-keys.ts'
import type { KeyFailure, KeySet } from '../../../src/tokens/key-set.ts'
import type { UsableKey } from '../../../src/tokens/verify-signature.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../support/fake-http-client.ts'
import { rulesFor } from '../../support/issuer-rules.ts'
import { createTestIssuer, type TestIssuer } from '../../support/tokens.ts'

const uri = new URL('https://login.example.com/certs')
const minuteMs = 60_000

let old: TestIssuer
let next: TestIssuer
let open: KeySet[] = []
const events: unknown[] = []
const keepEvent = (event: unknown): void => void events.push(event)

beforeAll(async () => {
  old = await createTestIssuer({ kid: 'old' })
  next = await createTestIssuer({ kid: 'next' })
})

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  channels.keySet.subscribe(keepEvent)
})

afterEach(() => {
  for (const keys of open) keys.close()
  open = []
  events.length = 0
  channels.keySet.unsubscribe(keepEvent)
  vi.useRealTimers()
})

/** A remote key set whose endpoint answers whatever `answer` holds at the time. */
function setUp(first: FakeAnswer | Promise<FakeAnswer>, changes: Partial<IssuerRules> = {}) {
  const endpoint = { answer: first }
  const clock = createFakeClock()
  const client = createFakeHttpClient(() => endpoint.answer)
  const rules = rulesFor(old, { keys: { kind: 'jwks_uri', uri }, ...changes })
  const keys = createIssuerKeys(rules, { client, log: silentLog, options: { clock } })
  open.push(keys)
  const advance = async (ms: number): Promise<void> => {
    clock.advanceMs(ms)
    await vi.advanceTimersByTimeAsync(ms)
  }
  return { endpoint, clock, client, keys, advance }
}

function publish(...issuers: readonly TestIssuer[]): FakeAnswer {
  return { body: JSON.stringify({ keys: issuers.map(issuer => issuer.jwk) }) }
}

function found(result: Result<UsableKey, KeyFailure>): UsableKey {
  if (!result.ok) throw new Error(result.error)
  return result.value
}

const unavailable = { ok: false, error: 'unavailable' }
const unknown = { ok: false, error: 'unknown' }
const unreachable = new HttpClientError('unreachable', uri, 'ECONNREFUSED')

describe('RemoteKeys', () => {
  it('fetches nothing before it is asked', () => {
    const { client } = setUp(publish(old))
    expect(client.requests).toEqual([])
  })

  it('fetches at the first look-up and answers from memory after it', async () => {
    const { keys, client } = setUp(publish(old))
    expect(found(await keys.find('ES256', 'old')).keyId).toBe('old')
    expect(keys.find('ES256', 'old')).not.toBeInstanceOf(Promise)
    expect(client.requests).toHaveLength(1)
    expect(client.requests[0]).toMatchObject({ method: 'GET', url: uri, maxBytes: 512 * 1024 })
    expect(client.requests[0]?.timeoutMs).toBeLessThanOrEqual(3000)
    expect(events).toEqual([{ issuer: old.issuer, outcome: 'ok' }])
  })

  it('lets concurrent look-ups share one fetch', async () => {
    const { keys, client } = setUp(publish(old))
    const answers = await Promise.all(Array.from({ length: 50 }, () => keys.find('ES256', 'old')))
    expect(answers.every(answer => answer.ok)).toBe(true)
    expect(client.requests).toHaveLength(1)
  })

  it('loads ahead when warmed', async () => {
    const { keys, client } = setUp(publish(old))
    await keys.warm()
    expect(keys.find('ES256', 'old')).not.toBeInstanceOf(Promise)
    await keys.warm()
    expect(client.requests).toHaveLength(1)
  })

  it('finds a key that was added after the cool-down', async () => {
    const { keys, endpoint, advance } = setUp(publish(old))
    await keys.warm()
    endpoint.answer = publish(old, next)
    await advance(30_000)
    expect(found(await keys.find('ES256', 'next')).keyId).toBe('next')
  })

  it('fetches once per cool-down for 10,000 unknown kids, and known keys go on', async () => {
    const { keys, client, advance } = setUp(publish(old))
    await keys.warm()
    await advance(30_000)
    const flood = Array.from({ length: 10_000 }, (_, i) => keys.find('ES256', `random-${i}`))
    expect(keys.find('ES256', 'old')).toMatchObject({ ok: true })
    for (const answer of await Promise.all(flood)) expect(answer).toEqual(unknown)
    expect(client.requests).toHaveLength(2)
    await advance(29_999)
    expect(keys.find('ES256', 'another')).toEqual(unknown)
    expect(client.requests).toHaveLength(2)
    await advance(1)
    await keys.find('ES256', 'another')
    expect(client.requests).toHaveLength(3)
  })

  it('finds a key that was added right after a refresh', async () => {
    const { keys, endpoint, advance } = setUp(publish(old))
    await keys.warm()
    await advance(10 * minuteMs)
    endpoint.answer = publish(old, next)
    expect(found(await keys.find('ES256', 'next')).keyId).toBe('next')
  })

  it('does not make a new key wait for the cool-down because one fetch was lost', async () => {
    const { keys, endpoint, client, advance } = setUp(publish(old))
    await keys.warm()
    endpoint.answer = unreachable
    expect(await keys.find('ES256', 'next')).toEqual(unknown)
    endpoint.answer = publish(old, next)
    expect(keys.find('ES256', 'next')).toEqual(unknown)
    await advance(1_000)
    expect(found(await keys.find('ES256', 'next')).keyId).toBe('next')
    expect(client.requests).toHaveLength(3)
  })

  it('fetches nothing for an ambiguous look-up', async () => {
    const { keys, client, advance } = setUp(publish(old, next))
    await keys.warm()
    await advance(30_000)
    expect(keys.find('ES256', undefined)).toEqual({ ok: false, error: 'ambiguous' })
    expect(client.requests).toHaveLength(1)
  })

  it('refreshes in the background at its age, and drops a key that the issuer dropped', async () => {
    const { keys, endpoint, client, advance } = setUp(publish(old, next))
    const dropped = found(await keys.find('ES256', 'old'))
    const kept = found(await keys.find('ES256', 'next'))
    endpoint.answer = publish(next)
    await advance(10 * minuteMs - 1)
    expect(keys.holds(dropped)).toBe(true)
    await advance(1)
    expect(client.requests).toHaveLength(2)
    expect(keys.holds(dropped)).toBe(false)
    expect(keys.holds(kept)).toBe(true)
  })

  it.each([500, 302, 404])('takes no keys from an answer with status %i', async status => {
    const { keys } = setUp({ body: JSON.stringify(old.jwks), status })
    expect(await keys.find('ES256', 'old')).toEqual(unavailable)
  })

  it.each<[string, FakeAnswer]>([
    ['cannot be reached', unreachable],
    ['throws', new Error('bug')],
    ['answers 500', { status: 500 }],
    ['redirects', { status: 302, headers: new Map([['location', 'https://evil.example/']]) }],
    ['answers HTML', { body: '<html>' }],
    ['answers no key set', { body: '{}' }],
    ['answers an empty key set', { body: '{"keys":[]}' }],
    ['answers only unusable keys', { body: '{"keys":[{"kty":"oct","k":"AAAA","kid":"old"}]}' }],
    ['answers 101 keys', { body: JSON.stringify({ keys: Array(101).fill({ kty: 'oct' }) }) }],
    ['answers deeply nested JSON', { body: `{"keys":${'['.repeat(100)}${']'.repeat(100)}}` }],
  ])('keeps the last good set while the endpoint %s', async (_, trouble) => {
    const { keys, endpoint, advance, client } = setUp(publish(old))
    const key = found(await keys.find('ES256', 'old'))
    endpoint.answer = trouble
    await advance(10 * minuteMs)
    expect(client.requests).toHaveLength(2)
    expect(events.at(-1)).toEqual({ issuer: old.issuer, outcome: 'failed' })
    expect(keys.holds(key)).toBe(true)
    expect(keys.find('ES256', 'old')).toMatchObject({ ok: true })
    expect(keys.find('ES256', 'new')).toEqual(unknown)
  })

  it.each([
    ['public, max-age=300', 300_000],
    ['max-age="300"', 300_000],
    ['max-age=5', 30_000],
    ['max-age=86400', 600_000],
    ['x-max-age=300', 600_000],
    ['no-store', 600_000],
  ])('refreshes at the age that the issuer gives, within its own bounds: %s', async (header, ms) => {
    const headers = new Map([['cache-control', header]])
    const { keys, client, endpoint, advance } = setUp({ ...publish(old, next), headers })
    const key = found(await keys.find('ES256', 'old'))
    endpoint.answer = { ...publish(next), headers }
    await advance(ms - 1)
    expect(client.requests).toHaveLength(1)
    expect(keys.holds(key)).toBe(true)
    await advance(1)
    expect(client.requests).toHaveLength(2)
    expect(keys.holds(key)).toBe(false)
  })

  it('stops believing the last good set after its bound', async () => {
    const { keys, endpoint, advance, clock } = setUp(publish(old))
    const key = found(await keys.find('ES256', 'old'))
    endpoint.answer = unreachable
    clock.advanceMs(24 * 60 * minuteMs)
    expect(keys.holds(key)).toBe(true)
    await advance(1)
    expect(keys.holds(key)).toBe(false)
    expect(await keys.find('ES256', 'old')).toEqual(unavailable)
    endpoint.answer = publish(old)
    await advance(30_000)
    expect(found(await keys.find('ES256', 'old')).keyId).toBe('old')
  })

  it('answers unavailable at once between attempts, and recovers by itself', async () => {
    const { keys, endpoint, client, advance } = setUp(unreachable)
    expect(await keys.find('ES256', 'old')).toEqual(unavailable)
    expect(keys.find('ES256', 'old')).toEqual(unavailable)
    expect(client.requests).toHaveLength(1)
    endpoint.answer = publish(old)
    await advance(1000)
    expect(keys.find('ES256', 'old')).toMatchObject({ ok: true })
  })

  it('asks a dead endpoint less and less often, down to the cool-down', async () => {
    const { keys, client, advance } = setUp(unreachable)
    await keys.warm()
    const waits: number[] = []
    for (let waitedMs = 0, seen = 1; waits.length < 7; waitedMs += 500) {
      if (client.requests.length > seen) {
        waits.push(waitedMs)
        waitedMs = 0
        seen = client.requests.length
      }
      await advance(500)
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  })

  it('ignores an answer that comes after it was closed', async () => {
    const answer = Promise.withResolvers<FakeAnswer>()
    const { keys, client, advance } = setUp(answer.promise)
    const looking = keys.find('ES256', 'old')
    await advance(0)
    keys.close()
    expect(client.requests[0]?.signal?.aborted).toBe(true)
    answer.resolve(publish(old))
    expect(await looking).toEqual(unavailable)
    expect(events).toEqual([])
    await advance(24 * 60 * minuteMs)
    expect(await keys.find('ES256', 'old')).toEqual(unavailable)
    expect(client.requests).toHaveLength(1)
  })

  it('asks nobody for keys without TLS, unless the configuration allows it', async () => {
    const keys = { kind: 'jwks_uri', uri: new URL('http://login.internal/certs') } as const
    const strict = setUp(publish(old), { keys })
    expect(await strict.keys.find('ES256', 'old')).toEqual(unavailable)
    expect(strict.client.requests).toEqual([])
    const plain = setUp(publish(old), { keys, plaintext: true })
    expect(await plain.keys.find('ES256', 'old')).toMatchObject({ ok: true })
  })

  function discover(members: Record<string, unknown>) {
    const lines: string[] = []
    const client = createFakeHttpClient(({ url }) => {
      if (url.pathname.endsWith('/certs')) return publish(old)
      if (!url.pathname.endsWith('openid-configuration')) return { status: 404 }
      return { body: JSON.stringify({ issuer: old.issuer, jwks_uri: `${old.issuer}/certs`, ...members }) }
    })
    const log = { ...silentLog, warn: (...line: unknown[]) => void lines.push(JSON.stringify(line)) }
    const keys = createIssuerKeys(rulesFor(old, { keys: { kind: 'discovery' } }), { client, log })
    open.push(keys)
    return { client, keys, lines }
  }

  it.each<[string, Record<string, unknown>]>([
    ['with nothing but the issuer and its keys', {}],
    [
      'whose other endpoints are of another origin, as of Cognito',
      {
        token_endpoint: 'https://shop.auth.example.net/oauth2/token',
        revocation_endpoint: 'https://shop.auth.example.net/oauth2/revoke',
        introspection_endpoint: 'https://shop.auth.example.net/introspect',
      },
    ],
  ])('finds the key set by discovery in a document %s', async (_, members) => {
    const { client, keys } = discover(members)
    expect(await keys.find('ES256', 'old')).toMatchObject({ ok: true })
    expect(client.addresses.at(-1)).toBe(`${old.issuer}/certs`)
  })

  it('takes no keys by discovery from another origin, and says how to allow it', async () => {
    const { client, keys, lines } = discover({ jwks_uri: 'https://evil.example/certs' })
    expect(await keys.find('ES256', 'old')).toEqual(unavailable)
    expect(client.addresses.every(address => address.startsWith('https://login.example.com/'))).toBe(true)
    expect(lines.join()).toContain('configure keys: { jwks_uri: … }')
  })
})
