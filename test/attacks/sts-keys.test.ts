import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { keys } from '../../src/cli/keys.ts'
import { createSigner, type Signer } from '../../src/sts/signer.ts'
import { formatSigningKeys, generateSigningKey, parseSigningKeys } from '../../src/sts/signing-keys.ts'
import { type RunningHub, startRunningHub } from '../support/running-hub.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { basic, billingSecret, decodeHeader, type TokenAnswer } from '../support/token-service.ts'
import { encode } from '../support/tokens.ts'
import { until } from '../support/until.ts'

// Whoever has a signing key of the token service is the token service. The attackers here have one: an old one that
// was thrown away carelessly, the one that signs now, or none at all and only the names of those that there are. They
// present what they made to a hub, over HTTP; beside each attempt stands an honest token that must go on working.

/** Time is what the test says it is, for the hub and for `hopgate keys`. */
const clock: Clock = { now: () => Date.now() / 1000, monotonicMs: () => Date.now() }
const start = 1_800_000_000

/** A key that the hub never had. */
const foreign = generateSigningKey()

let hub: RunningHub
let recorded: number
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: start * 1000 })
  hub = await startRunningHub({ folder: createTempFolder(), clock })
  recorded = 0
})
afterEach(async () => {
  const written = hub.audit() + hub.log.join()
  expect(written).not.toMatch(/eyJ[\w-]*\./)
  await hub.hub.close()
  vi.useRealTimers()
})

const advance = (seconds: number): void => void vi.advanceTimersByTime(seconds * 1000)

async function manage(...args: string[]): Promise<void> {
  let said = ''
  const output = { write: (text: string) => (said += text) }
  const code = await keys([...args, '--file', hub.keyFile], { stdout: output, stderr: output })
  if (code !== 0) throw new Error(said)
}

/** Resolves when the hub has taken over what is in the file. */
async function noticed(change: () => unknown, message = 'signing keys changed'): Promise<void> {
  const count = (): number => hub.log.filter(line => line.includes(message)).length
  const before = count()
  await change()
  await until(() => count() > before, message)
}

/** What a thief of the key file can sign with: each of its keys. */
function steal(): readonly Signer[] {
  return parseSigningKeys(readFileSync(hub.keyFile, 'utf8')).map(key => createSigner([key], clock))
}

const jwks = async (): Promise<{ readonly keys: readonly Record<string, string>[] }> =>
  JSON.parse(await (await fetch(`${hub.url}/sts/jwks`)).text())
const kidOf = (token: string): string => String(decodeHeader(token)['kid'])

/** A token that the hub issued, which the client `billing` may exchange. */
async function honestToken(): Promise<string> {
  const answer = await hub.exchange({ audience: 'billing', scope: 'orders:read' })
  await expectEvent('issued', { client_id: 'orders' })
  return String(answer.json['access_token'])
}

const forgedClaims = (): Record<string, unknown> => ({
  iss: hub.issuer,
  sub: 'admin',
  aud: 'billing',
  client_id: 'orders',
  scope: 'orders:read',
  act: { sub: 'orders' },
  iat: Math.floor(clock.now()),
  exp: Math.floor(clock.now()) + 100,
  jti: 'forged',
})

const present = (subject_token: string): Promise<TokenAnswer> =>
  hub.exchange({ subject_token, audience: 'orders' }, basic('billing', billingSecret))

async function expectEvent(kind: 'issued' | 'refused', data: Record<string, unknown>): Promise<void> {
  recorded += 1
  const events = await hub.events(recorded)
  expect(events).toHaveLength(recorded)
  expect(events.at(-1)).toMatchObject({ type: `io.hopgate.token.${kind}.v1`, data })
}

async function expectAccepted(token: string, sub = 'alice'): Promise<void> {
  expect((await present(token)).status).toBe(200)
  await expectEvent('issued', { client_id: 'billing', subject_token: { iss: hub.issuer, sub } })
}

async function expectRefused(token: string, detail: RegExp): Promise<void> {
  expect(await present(token)).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  const why = expect.stringMatching(detail)
  await expectEvent('refused', { client_id: 'billing', error: 'invalid_request', detail: why })
}

async function isActive(token: string): Promise<unknown> {
  const response = await fetch(`${hub.url}/sts/introspect`, {
    method: 'POST',
    headers: { authorization: basic('billing', billingSecret) },
    body: new URLSearchParams({ token }),
  })
  const { active } = JSON.parse(await response.text())
  // A good answer is only counted.
  if (active === false) {
    recorded += 1
    expect((await hub.events(recorded)).at(-1)).toMatchObject({
      data: { endpoint: 'introspection', detail: expect.stringMatching(/its key and alg are none of here/) },
    })
  }
  return active
}

describe('H09 a key that was rotated out', () => {
  it('verifies what it signed until that ends, and nothing from then on', async () => {
    await noticed(() => manage('rotate', '--max-ttl', '2m'))
    advance(419)
    const token = await honestToken()
    const [, old] = steal()
    advance(1)
    const after = await honestToken()
    expect(kidOf(after)).not.toBe(kidOf(token))
    await expectAccepted(token)
    advance(118)
    await expectAccepted(token)
    advance(2)
    await expectRefused(token, /exp|ended|late/)
    // The set has it for a minute more, for clocks that are behind.
    advance(59)
    const forged = old?.sign(forgedClaims(), 'at+jwt') ?? ''
    expect((await jwks()).keys).toHaveLength(2)
    advance(1)
    expect((await jwks()).keys).toHaveLength(1)
    await expectRefused(forged, /no key fits/)
    await expectAccepted(await honestToken())
  })

  it('cannot be removed by mistake while something lives that it signed', async () => {
    await noticed(() => manage('rotate', '--max-ttl', '2m'))
    advance(419)
    const token = await honestToken()
    advance(1)
    await expect(manage('retire', kidOf(token))).rejects.toThrow(/alive/)
    await expectAccepted(token)
    advance(180)
    await noticed(() => manage('retire', kidOf(token)))
    await expectAccepted(await honestToken())
  })
})

describe('H09 a key that was compromised', () => {
  it('is refused from the moment at which the hub has the file, with all that it signed', async () => {
    const token = await honestToken()
    const [stolen] = steal()
    const forged = stolen?.sign(forgedClaims(), 'at+jwt') ?? ''
    // That is what its loss means, until somebody notices. Both are remembered as verified now.
    await expectAccepted(forged, 'admin')
    await expectAccepted(token)
    expect(await isActive(token)).toBe(true)
    await noticed(() => manage('retire', '--compromised', kidOf(token)))
    expect(await hub.events(1, 'io.hopgate.keys.changed.')).toMatchObject([
      { data: { removed: [kidOf(token)], published: [expect.not.stringMatching(kidOf(token))] } },
    ])
    for (const one of [forged, token, stolen?.sign(forgedClaims(), 'at+jwt') ?? '']) {
      await expectRefused(one, /no key fits/)
      expect(await isActive(one)).toBe(false)
    }
    expect((await jwks()).keys.map(({ kid }) => kid)).not.toContain(kidOf(token))
    const fresh = await honestToken()
    expect(kidOf(fresh)).not.toBe(kidOf(token))
    await expectAccepted(fresh)
  })

  it('is refused at every replica', async () => {
    const replica = await startRunningHub({
      folder: hub.keyFile.replace(/\/keys\.json$/, ''),
      clock,
      replicaOf: hub,
    })
    try {
      const token = await honestToken()
      const asBilling = basic('billing', billingSecret)
      const there = () => replica.exchange({ subject_token: token, audience: 'orders' }, asBilling)
      expect((await there()).status).toBe(200)
      await noticed(() => manage('retire', '--compromised', kidOf(token)))
      await until(() => replica.log.some(line => line.includes('signing keys changed')), 'it has noticed')
      expect(await there()).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
      expect((await replica.events(2)).at(-1)).toMatchObject({
        data: { error: 'invalid_request', detail: expect.stringMatching(/no key fits/) },
      })
      const after = await replica.exchange({ audience: 'orders-api' })
      expect(after.status).toBe(200)
    } finally {
      await replica.hub.close()
    }
  })

  it('that was to sign next signs nothing', async () => {
    await noticed(() => manage('rotate', '--max-ttl', '2m'))
    const [next] = steal()
    const forged = next?.sign(forgedClaims(), 'at+jwt') ?? ''
    await expectAccepted(forged, 'admin')
    await noticed(() => manage('retire', '--compromised', kidOf(forged)))
    await expectRefused(forged, /no key fits/)
    advance(500)
    const token = await honestToken()
    expect(kidOf(token)).not.toBe(kidOf(forged))
    await expectAccepted(token)
  })

  it('does not come back with a restart', async () => {
    const token = await honestToken()
    await noticed(() => manage('retire', '--compromised', kidOf(token)))
    await hub.hub.close()
    hub = await startRunningHub({ folder: hub.keyFile.replace(/\/keys\.json$/, ''), clock, replicaOf: hub })
    recorded = 0
    await expectRefused(token, /no key fits/)
    await expectAccepted(await honestToken())
  })
})

describe('H09 private halves', () => {
  it('are in nothing that the hub says, in whatever state a key is', async () => {
    for (const algorithm of ['EdDSA', 'RS256', 'PS256', 'ES256']) {
      await noticed(() => manage('rotate', '--now', '--algorithm', algorithm))
    }
    await noticed(() => manage('rotate'))
    const published = await jwks()
    expect(published.keys).toHaveLength(6)
    for (const key of published.keys) {
      const members = { EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'], RSA: ['n', 'e'] }[key['kty'] ?? ''] ?? []
      expect(Object.keys(key).sort()).toEqual(['alg', 'kid', 'kty', 'use', ...members].sort())
      expect(createPublicKey({ key, format: 'jwk' }).type).toBe('public')
    }
    await noticed(() => writeFileSync(hub.keyFile, `${readFileSync(hub.keyFile, 'utf8')}x`), 'not usable')
    const metadata = await (await fetch(`${hub.url}/.well-known/oauth-authorization-server/sts`)).text()
    const metrics = await (await fetch(`${hub.hub.adminUrl}/metrics`)).text()
    const said = [JSON.stringify(published), metadata, metrics, hub.audit(), ...hub.log].join('\n')
    const text = readFileSync(hub.keyFile, 'utf8').slice(0, -1)
    for (const { privateKey } of parseSigningKeys(text)) {
      const { d, p, q } = privateKey.export({ format: 'jwk' })
      for (const secret of [d, p, q])
        if (secret !== undefined) expect(said).not.toContain(secret.slice(0, 20))
    }
    await expectAccepted(await honestToken())
  })
})

describe('H09 names of keys', () => {
  it('are thumbprints, so that no two keys have one, and nobody can choose one', async () => {
    const [own = {}] = (await jwks()).keys
    const other = generateSigningKey()
    const named = JSON.parse(formatSigningKeys([other]))
    named.keys[0].kid = own['kid']
    const both = JSON.parse(readFileSync(hub.keyFile, 'utf8'))
    const twice = { keys: [...both.keys, ...named.keys] }
    for (const set of [named, twice, { keys: [...both.keys, ...both.keys] }]) {
      await noticed(() => writeFileSync(hub.keyFile, JSON.stringify(set)), 'not usable')
    }
    expect((await jwks()).keys).toEqual([own])
    const forged = createSigner([other], clock).sign(forgedClaims(), 'at+jwt')
    await expectRefused(forged, /no key fits/)
    await expectAccepted(await honestToken())
  })

  it.each<[string, (kid: string) => Record<string, unknown>, RegExp]>([
    ['the name of the key that signs', kid => ({ alg: 'ES256', kid }), /does not verify/],
    ['that name under another algorithm', kid => ({ alg: 'EdDSA', kid }), /no key fits/],
    ['no name', () => ({ alg: 'ES256' }), /does not verify/],
    ['a name that every object has', () => ({ alg: 'ES256', kid: '__proto__' }), /no key fits/],
    ['a longer name', kid => ({ alg: 'ES256', kid: `${kid}\u0000` }), /no key fits|header/],
    ['a key that it brings', kid => ({ alg: 'ES256', kid, jwk: foreign.publicJwk }), /./],
  ])('do not make a foreign key one of the hub: %s', async (_, header, detail) => {
    const token = await honestToken()
    const input = `${encode(JSON.stringify({ typ: 'at+jwt', ...header(kidOf(token)) }))}.${encode(JSON.stringify(forgedClaims()))}`
    const [, , signature = ''] = createSigner([foreign], clock).sign(forgedClaims(), 'at+jwt').split('.')
    await expectRefused(`${input}.${signature}`, detail)
    await expectAccepted(token)
  })

  it('do not make one RSA key good for two algorithms', async () => {
    await noticed(() => manage('rotate', '--now', '--algorithm', 'PS256'))
    const token = await honestToken()
    expect(decodeHeader(token)['alg']).toBe('PS256')
    const [ps256] = parseSigningKeys(readFileSync(hub.keyFile, 'utf8'))
    const asRs256 = JSON.parse(formatSigningKeys([ps256]))
    asRs256.keys[0].alg = 'RS256'
    const forged = createSigner(parseSigningKeys(JSON.stringify(asRs256)), clock).sign(
      forgedClaims(),
      'at+jwt',
    )
    expect(decodeHeader(forged)).toMatchObject({ alg: 'RS256', kid: kidOf(token) })
    await expectRefused(forged, /no key fits/)
    await expectAccepted(token)
  })
})

describe('H09 a key file that somebody else wrote', () => {
  const foreignSet = formatSigningKeys([foreign])
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'jwk' })

  const writeOpenly = (): void => {
    chmodSync(hub.keyFile, 0o666)
    writeFileSync(hub.keyFile, foreignSet)
  }

  it.each<[string, () => void]>([
    ['that others may write', writeOpenly],
    ['with a weak key', () => writeFileSync(hub.keyFile, JSON.stringify({ keys: [weak] }))],
    [
      'with a shared secret',
      () => writeFileSync(hub.keyFile, '{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256"}]}'),
    ],
    ['without a key', () => writeFileSync(hub.keyFile, '{"keys":[]}')],
    ['that is half written', () => writeFileSync(hub.keyFile, foreignSet.slice(0, 100))],
  ])('is not taken: %s', async (_, write) => {
    const before = await jwks()
    const token = await honestToken()
    await noticed(write, 'not usable')
    expect(await jwks()).toEqual(before)
    await expectRefused(createSigner([foreign], clock).sign(forgedClaims(), 'at+jwt'), /no key fits/)
    await expectAccepted(token)
  })

  it('is taken from the owner, as a whole', async () => {
    const token = await honestToken()
    await noticed(() => {
      writeFileSync(`${hub.keyFile}.new`, formatSigningKeys([foreign]), { mode: 0o600 })
      renameSync(`${hub.keyFile}.new`, hub.keyFile)
    })
    await expectRefused(token, /no key fits/)
    await expectAccepted(await honestToken())
  })
})
