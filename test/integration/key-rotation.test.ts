import { join } from 'node:path'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { keys } from '../../src/cli/keys.ts'
import { startRedis } from '../support/redis.ts'
import { type RunningHub, type RunningHubOptions, startRunningHub } from '../support/running-hub.ts'
import { type HopOptions, type RunningHop, startHop } from '../support/start-hop.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { basic, billingSecret, secretAuthentication } from '../support/token-service.ts'
import { until } from '../support/until.ts'

/** Time is what the test says it is, for everybody: the hubs, the command, the sidecar and the verifier of `jose`. */
const clock: Clock = { now: () => Date.now() / 1000, monotonicMs: () => Date.now() }
const stepSeconds = 30

let folder: string
const open: { close(): Promise<void> }[] = []
beforeEach(() => {
  folder = createTempFolder()
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 })
})
afterEach(async () => {
  await Promise.all(open.splice(0).map(one => one.close()))
  vi.useRealTimers()
})

async function start(options: Partial<RunningHubOptions> = {}): Promise<RunningHub> {
  const hub = await startRunningHub({ folder, clock, ...options })
  open.push(hub.hub)
  return hub
}

async function manage(...args: string[]): Promise<string> {
  let out = ''
  const code = await keys(args, {
    stdout: { write: text => (out += text) },
    stderr: { write: text => (out += text) },
  })
  if (code !== 0) throw new Error(out)
  return out
}

const keySetOf = async ({ url }: RunningHub): Promise<JSONWebKeySet> =>
  (await fetch(`${url}/sts/jwks`)).json() as Promise<JSONWebKeySet>

const kidsOf = async (hub: RunningHub): Promise<readonly unknown[]> =>
  (await keySetOf(hub)).keys.map(({ kid }) => kid)

/** Once every hub serves the keys that the file holds. Real time passes, and none on the clock. */
async function spread(hubs: readonly RunningHub[], count: number): Promise<void> {
  for (const hub of hubs) await until(async () => (await kidsOf(hub)).length === count, 'the file is noticed')
}

async function freshToken(hub: RunningHub, form: Record<string, string> = {}, by?: string): Promise<string> {
  const answer = await hub.exchange({ scope: 'orders:read', ...form }, by)
  expect(answer.body).toContain('access_token')
  return String(answer.json['access_token'])
}

const signerOf = (token: string): unknown => decodeProtectedHeader(token).kid

/** A sidecar that takes the hub's tokens, and has its keys from the hub. */
async function startSidecarOf(hub: RunningHub, options: HopOptions = {}): Promise<RunningHop> {
  const hop = await startHop({
    clock,
    issuer: { ...hub.login, issuer: hub.issuer },
    issuerKeys: `{ jwks_uri: '${hub.url}/sts/jwks' }`,
    routes: '\n  - { path: /**, audience: ledger-api }\n',
    ...options,
  })
  open.push(hop)
  return hop
}

async function ask(hop: RunningHop, token: string): Promise<number> {
  const answer = await fetch(`${hop.url}/orders`, { headers: { authorization: `Bearer ${token}` } })
  await answer.text()
  return answer.status
}

describe('a rotation, from before it to after the old key has gone', () => {
  it.each(['ES256', 'EdDSA', 'PS256', 'RS256'])(
    'no fresh token is signed by a key that a verifier with a 300 s old key set does not know: to %s',
    { timeout: 120_000 },
    async algorithm => {
      const one = await start()
      const hubs = [one, await start({ replicaOf: one })]
      const remote = createRemoteJWKSet(new URL(`${one.url}/sts/jwks`), {
        cacheMaxAge: 300_000,
        cooldownDuration: 300_000,
      })
      const snapshots: { readonly at: number; readonly verify: ReturnType<typeof createLocalJWKSet> }[] = []
      const signers = new Set<unknown>()
      let earlier: string | undefined
      let published = 1
      for (let second = 0; second <= 1_500; second += stepSeconds) {
        if (second === 120) {
          await manage('rotate', '--file', one.keyFile, '--max-ttl', '2m', '--algorithm', algorithm)
          published = 2
        }
        if (second === 120 + 420 + 180) published = 1
        await spread(hubs, published)
        for (const hub of hubs) {
          snapshots.push({ at: second, verify: createLocalJWKSet(await keySetOf(hub)) })
        }
        for (const hub of hubs) {
          const token = await freshToken(hub)
          signers.add(signerOf(token))
          const checks = { issuer: one.issuer, audience: 'orders-api' }
          for (const { at, verify } of snapshots)
            if (second - at <= 300) await jwtVerify(token, verify, checks)
          await jwtVerify(token, remote, checks)
          // The hub itself, whichever replica, takes it for the next exchange; and so does the one of a step before.
          const passedOn = await freshToken(hub, { audience: 'billing' })
          for (const subject_token of [passedOn, ...(earlier === undefined ? [] : [earlier])]) {
            for (const other of hubs) {
              const asBilling = basic('billing', billingSecret)
              const next = await other.exchange({ subject_token, audience: 'orders' }, asBilling)
              expect(next.status).toBe(200)
            }
          }
          earlier = passedOn
        }
        vi.advanceTimersByTime(stepSeconds * 1_000)
      }
      expect(signers.size).toBe(2)
      expect(await keySetOf(one)).toMatchObject({ keys: [{ alg: algorithm }] })
    },
  )

  it('a sidecar takes each token of the hub, from callers and for its upstream', {
    timeout: 60_000,
  }, async () => {
    const hub = await start({
      sts: {
        clients: [
          {
            id: 'orders',
            authentication: secretAuthentication('test-secret'),
            accepts: ['shop-web'],
            audiences: new Map(
              ['orders-api', 'shop-web'].map(name => [name, { scope: ['orders:read'], ttlSeconds: 60 }]),
            ),
          },
        ],
      },
    })
    const exchange = `{ server: '${hub.issuer}', client: { id: orders, secret: '\${TEST_SECRET}' } }`
    const verifying = await startSidecarOf(hub)
    const exchanging = await startHop({ clock, issuer: hub.login, exchange })
    open.push(exchanging)
    const signers = new Set<unknown>()
    for (let second = 0; second <= 1_200; second += stepSeconds) {
      if (second === 120) {
        await manage('rotate', '--file', hub.keyFile, '--max-ttl', '2m', '--algorithm', 'EdDSA')
        await spread([hub], 2)
      }
      const subject_token = await hub.login.sign({ aud: 'orders', scope: 'orders:read' })
      const form = { subject_token, audience: 'shop-web' }
      const token = await freshToken(hub, form, basic('orders', 'test-secret'))
      signers.add(signerOf(token))
      expect(await ask(verifying, token)).toBe(200)
      expect(await ask(exchanging, await hub.login.sign({ scope: 'orders:read' }))).toBe(200)
      signers.add(signerOf(forwarded(exchanging)))
      vi.advanceTimersByTime(stepSeconds * 1_000)
    }
    expect(signers.size).toBe(2)
  })
})

/** The token that the upstream got last. */
function forwarded(hop: RunningHop): string {
  const [field = ''] = hop.upstream.requests.at(-1)?.headerAll('authorization') ?? []
  return field.slice('Bearer '.length)
}

describe('a sidecar with the token service inside', () => {
  const start = async (more = ''): Promise<RunningHop> => {
    const hop = await startHop({
      clock,
      exchange: `{}\nsts: { issuer: 'http://127.0.0.1:9', keys: '${join(folder, 'keys.json')}' }`,
      more,
    })
    open.push(hop)
    return hop
  }
  const file = (): string => join(folder, 'keys.json')
  const changes = (hop: RunningHop): number =>
    hop.log.filter(line => line.includes('signing keys changed')).length

  it('rotates without a restart, and keeps what it has issued until it ends', async () => {
    const hop = await start()
    const caller = await hop.issuer.sign({ scope: 'orders:read', exp: Date.now() / 1000 + 3_000 })
    await ask(hop, caller)
    const first = forwarded(hop)
    await manage('rotate', '--file', file(), '--max-ttl', '1m')
    await until(() => changes(hop) === 1, 'the file is noticed')
    vi.advanceTimersByTime(419_000)
    expect(await ask(hop, caller)).toBe(200)
    expect(signerOf(forwarded(hop))).toBe(signerOf(first))
    const last = forwarded(hop)
    vi.advanceTimersByTime(1_000)
    expect(await ask(hop, caller)).toBe(200)
    expect(forwarded(hop)).toBe(last)
    vi.advanceTimersByTime(60_000)
    expect(await ask(hop, caller)).toBe(200)
    expect(signerOf(forwarded(hop))).not.toBe(signerOf(first))
  })

  it('forwards nothing that a compromised key signed, from memory or Redis', {
    timeout: 30_000,
  }, async () => {
    const redis = await startRedis()
    open.push({ close: () => redis.stop() })
    const hop = await start(`cache: { redis: '${redis.url}' }`)
    const replica = await start(`cache: { redis: '${redis.url}' }`)
    const caller = await replica.issuer.sign({ scope: 'orders:read' })
    const ours = await hop.issuer.sign({ scope: 'orders:read' })
    await ask(hop, ours)
    await ask(replica, caller)
    const first = signerOf(forwarded(hop))
    expect(signerOf(forwarded(replica))).toBe(first)
    await ask(hop, ours)
    expect((await hop.event(1))['outbound']).toMatchObject({ source: 'memory' })
    await manage('retire', '--file', file(), '--compromised', String(first))
    await until(() => changes(hop) === 1 && changes(replica) === 1, 'the file is noticed')
    for (const [sidecar, token] of [
      [hop, ours],
      [replica, caller],
    ] as const) {
      expect(await ask(sidecar, token)).toBe(200)
      expect(signerOf(forwarded(sidecar))).not.toBe(first)
    }
  })
})
