import { Agent, get as httpGet } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AttackedHop,
  headerTooLarge,
  issuerItem,
  readClaims,
  startAttackedHop,
} from '../support/attacked-hop.ts'
import { startAuthorizationServer, type TestAuthorizationServer } from '../support/authorization-server.ts'
import { headerText, textsOf } from '../support/jws-text.ts'
import { createTestIssuer, encode, type TestIssuer } from '../support/tokens.ts'
import { smallOrderKeys, weakKeys } from '../support/weak-keys.ts'

/**
 * Family A, the keys: an issuer publishes a key that signs anything, or that anybody can sign with, among good ones;
 * and a caller chooses the name under which a key is looked for. A bad key must be as good as absent while the good ones
 * beside it go on, and no name may lead anywhere but to the one key of that name.
 */

let issuer: TestAuthorizationServer
let hop: AttackedHop
let other: TestIssuer
/** Another good key of the same issuer. */
let second: TestIssuer
const smallOrder = smallOrderKeys()
const others = weakKeys()
const weak = [...smallOrder, ...others]

beforeAll(async () => {
  issuer = await startAuthorizationServer()
  other = await createTestIssuer({ issuer: 'https://other.test', kid: 'other-1' })
  second = await createTestIssuer({ issuer: issuer.issuer, kid: 'k2' })
  const keys = [...weak.map(({ jwk }) => jwk), issuer.signer.jwk, second.jwk]
  issuer.onOther(path => (path === '/jwks' ? { body: { keys } } : undefined))
  hop = await startAttackedHop({
    issuer: issuer.signer,
    issuerKeys: `{ jwks_uri: '${issuer.issuer}/jwks' }`,
    issuerRules: issuerItem(other, other.jwks.keys),
  })
  await hop.expectForwarded(await good())
})
afterAll(async () => {
  await hop.close()
  await issuer.close()
})

function good(header: Record<string, unknown> = {}, claims: Record<string, unknown> = {}): Promise<string> {
  return issuer.signer.sign({ scope: 'orders:read', ...claims }, header)
}

const fetches = (): number => issuer.paths.filter(path => path === '/jwks').length

describe('A10 and A12: keys that an issuer should not publish', () => {
  const expectIgnored = async (kid: string): Promise<void> => {
    const key = weak.find(one => one.kid === kid)
    if (key === undefined) throw new Error(`no key ${kid}`)
    await hop.expectDenied(key.sign(JSON.stringify(readClaims(await good()))))
    expect(hop.log.filter(line => line.includes('ignored')).join()).toContain(`kid \\"${kid}\\"`)
    await hop.expectForwarded(await good())
  }

  it.each(smallOrder)('A10 ignores $kid, a point under which one signature fits', ({ kid }) =>
    expectIgnored(kid),
  )

  it.each(others)('A12 ignores $kid, and refuses what it signed', ({ kid }) => expectIgnored(kid))

  it('A12 shows nothing of a private key that was published', () => {
    const secrets = weak.flatMap(({ jwk }) => [jwk.d, jwk.k]).filter(secret => secret !== undefined)
    expect(secrets).toHaveLength(2)
    for (const secret of secrets) expect(hop.log.join()).not.toContain(secret)
  })
})

describe('A18 to A20: names of keys', () => {
  it.each<[unknown]>([
    ['../../dev/null'],
    ["' OR 1=1--"],
    ['k1\u0000'],
    ['k1\n'],
    ['k1 '],
    ['K1'],
    ['k'],
    ['\u043a1'],
    ['k1\u202e'],
    ['__proto__'],
    ['constructor'],
    ['toString'],
    ['hasOwnProperty'],
    [''],
    [1],
    [{}],
    [['k1']],
    [null],
    ['x'.repeat(4000)],
    ['other-1'],
  ])('A18 finds no key by kid %j, and asks once at most for all of them', async kid => {
    await hop.expectDenied(await good({ kid }))
    await hop.expectForwarded(await good())
    // The first fetch was for the keys that are there.
    expect(fetches()).toBeLessThanOrEqual(2)
  })

  it('A18 does not read a kid of 64 KiB', async () => {
    await hop.expectDenied(await good({ kid: 'k'.repeat(65_536) }), headerTooLarge)
    await hop.expectForwarded(await good())
  })

  it('A18 does not fall back to the only key when the name is another', async () => {
    const claims = { scope: 'orders:read' }
    await hop.expectDenied(await other.sign(claims, { kid: 'nobody' }))
    await hop.expectForwarded(await other.sign(claims))
  })

  it("A18 never verifies with another issuer's key, whatever its name", async () => {
    await hop.expectDenied(await other.sign({ scope: 'orders:read', iss: issuer.issuer }))
    await hop.expectDenied(await good({}, { iss: other.issuer }))
    await hop.expectForwarded(await other.sign({ scope: 'orders:read' }))
  })

  it('A19 asks for keys once per cool-down however many kids it is offered, and serves on', async () => {
    const [header, payload, signature] = textsOf(await good())
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const events = hop.lines.length
    const flood = 2000
    const statuses = await Promise.all(
      Array.from({ length: flood }, (_, index) => {
        const isValid = index % 10 === 0
        const own = isValid ? header : encode(headerText({ kid: `flood-${index}` }))
        return statusOf(hop, agent, `${own}.${payload}.${signature}`)
      }),
    )
    agent.destroy()
    expect(statuses.filter(status => status === 200)).toHaveLength(flood / 10)
    expect(statuses.filter(status => status === 401)).toHaveLength(flood - flood / 10)
    expect(hop.lines).toHaveLength(events + flood)
    expect(fetches()).toBeLessThanOrEqual(2)
  })

  it('A20 does not guess among two keys that fit', async () => {
    for (const signer of [issuer.signer, second]) {
      await hop.expectDenied(await signer.sign({ scope: 'orders:read' }, { kid: undefined }))
      await hop.expectForwarded(await signer.sign({ scope: 'orders:read' }))
    }
    await hop.expectForwarded(await other.sign({ scope: 'orders:read' }, { kid: undefined }))
  })
})

function statusOf({ port }: AttackedHop, agent: Agent, token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    httpGet({ port, host: '127.0.0.1', path: '/orders/1', agent, headers }, response => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    }).once('error', reject)
  })
}
