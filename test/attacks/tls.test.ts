import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startAuthorizationServer } from '../support/authorization-server.ts'
import {
  canMakeCertificates,
  createAuthority,
  createCertificate,
  expired,
  type TestCertificate,
  withCertificates,
} from '../support/certificate.ts'
import { startFakeRedis } from '../support/fake-redis.ts'
import { requestRaw } from '../support/raw-client.ts'
import { type HopOptions, type RunningHop, startHop } from '../support/start-hop.ts'
import { until } from '../support/until.ts'

/**
 * Pattern G, TLS: somebody on the way to a server that the sidecar trusts answers in its place, with a certificate that
 * is good for anything but this. He must get nothing: no token, no password, not even the path that is asked for; and a
 * request must end as if nobody was there. Proxies have shipped with the check turned off (CVE-2026-107318), and Node
 * turns its default off when the environment says so.
 */

const canary = 'C4n4ry-password'

describe.skipIf(!canMakeCertificates)(`G01: a server that is not the one${withCertificates}`, () => {
  const authority = createAuthority()
  const names = ['IP:127.0.0.1']
  const trusted = getCACertificates('default')
  const environment = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  let hop: RunningHop | undefined

  beforeAll(() => setDefaultCACertificates([...trusted, authority.cert]))
  afterAll(() => setDefaultCACertificates(trusted))
  afterEach(async () => {
    if (environment === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = environment
    await hop?.close()
    hop = undefined
  })

  async function get(options: HopOptions) {
    hop = await startHop(options)
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    const answer = await requestRaw(
      hop.port,
      `GET /orders/1 HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    )
    return { status: answer.status, event: await hop.event(), forwarded: hop.upstream.requests.length }
  }

  /** Asks an issuer for its keys over TLS. */
  async function getWithKeysFrom(certificate: TestCertificate) {
    const login = await startAuthorizationServer(certificate)
    const issuerKeys = `{ jwks_uri: '${login.issuer}/jwks' }`
    const got = await get({ issuer: login.signer, issuerKeys })
    await login.close()
    return { ...got, heard: login.paths.length }
  }

  /** Exchanges at a server over TLS. */
  async function getWithExchangeAt(certificate: TestCertificate) {
    const server = await startAuthorizationServer(certificate)
    const client = `{ authentication: client_secret_basic, secret: '\${TEST_SECRET}' }`
    const got = await get({ exchange: `{ server: '${server.issuer}', client: ${client} }` })
    await server.close()
    return { ...got, heard: server.paths.length + server.tokenRequests.length }
  }

  /** Shares issued tokens by a Redis over TLS, which is asked as soon as it is there. */
  async function getWithRedisAt(certificate: TestCertificate) {
    const redis = await startFakeRedis(([name]) => (name === 'PING' ? '+PONG\r\n' : '$-1\r\n'), certificate)
    const port = String(redis.port)
    process.env['REDIS_URL_OF_TEST'] = `rediss://user:${canary}@127.0.0.1:${port}`
    const got = await get({ more: `cache: { redis: '\${REDIS_URL_OF_TEST}', timeout: 1s }` })
    await until(() => hop?.log.some(line => line.includes('Redis')) === true, 'what became of Redis')
    await redis.close()
    delete process.env['REDIS_URL_OF_TEST']
    return { ...got, heard: redis.commands.length, log: hop?.log.join('\n') ?? '' }
  }

  it.each([
    ['issuer keys', getWithKeysFrom],
    ['the token endpoint', getWithExchangeAt],
    ['Redis', getWithRedisAt],
  ])('G01 uses %s at a server with a good certificate', async (_what, getWith) => {
    const got = await getWith(authority.issue({ names }))
    expect(got).toMatchObject({ status: 200, forwarded: 1 })
    expect(got.heard).toBeGreaterThan(0)
  })

  describe.each<[string, string, () => TestCertificate]>([
    ['a self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT', () => createCertificate('IP:127.0.0.1')],
    [
      'a certificate of another authority',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      () => createAuthority('stranger').issue({ names }),
    ],
    ['an expired certificate', 'CERT_HAS_EXPIRED', () => authority.issue({ names, ...expired })],
    [
      'a certificate for another host',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      () => authority.issue({ names: ['IP:127.0.0.10', 'DNS:127.0.0.1', 'DNS:127.0.0.1.evil.test'] }),
    ],
    ['a certificate for clients', 'INVALID_PURPOSE', () => authority.issue({ names, usage: ['clientAuth'] })],
  ])('with %s', (_what, code, make) => {
    const certificate = canMakeCertificates ? make() : { cert: '', key: '' }

    it.each([
      ['by default', undefined],
      ['with NODE_TLS_REJECT_UNAUTHORIZED=0', '0'],
    ])('G01 gets nothing in the place of issuer keys, %s', async (_how, variable) => {
      if (variable !== undefined) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = variable
      const { status, event, forwarded, heard } = await getWithKeysFrom(certificate)
      expect({ status, refusal: event.refusal, forwarded, heard }).toEqual({
        status: 503,
        refusal: 'token.keys_unavailable',
        forwarded: 0,
        heard: 0,
      })
      expect(hop?.log.join()).toContain(code)
    })

    it.each([
      ['by default', undefined],
      ['with NODE_TLS_REJECT_UNAUTHORIZED=0', '0'],
    ])('G01 gets nothing in the place of the token endpoint, %s', async (_how, variable) => {
      if (variable !== undefined) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = variable
      const { status, event, forwarded, heard } = await getWithExchangeAt(certificate)
      expect({ status, refusal: event.refusal, forwarded, heard }).toEqual({
        status: 503,
        refusal: 'exchange.unavailable',
        forwarded: 0,
        heard: 0,
      })
      expect(event.detail).toContain(code)
    })

    it.each([
      ['by default', undefined],
      ['with NODE_TLS_REJECT_UNAUTHORIZED=0', '0'],
    ])('G01 gets nothing in the place of Redis, %s, and nobody waits for it', async (_how, variable) => {
      if (variable !== undefined) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = variable
      const { status, forwarded, heard, log } = await getWithRedisAt(certificate)
      expect({ status, forwarded, heard }).toEqual({ status: 200, forwarded: 1, heard: 0 })
      expect(log).toContain(code)
      expect(log).not.toContain(canary)
    })
  })
})
