import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { createHttpClient } from '../../src/base/http-client.ts'
import { silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type { ClientCredentials } from '../../src/config/sidecar-config.ts'
import { TokenExchanger } from '../../src/hop/exchange/exchangers/token-exchange.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { scopeSet } from '../../src/oauth/scope-set.ts'
import { permittedRequest } from '../support/exchange-request.ts'
import { startHop } from '../support/start-hop.ts'
import {
  billingSecret,
  createTestTokenService,
  ordersSecret,
  type TestTokenService,
  tokenServiceIssuer,
} from '../support/token-service.ts'

/** The exchanger and our own token service, which know nothing of each other but the RFCs. */

let hub: TestTokenService
beforeAll(async () => {
  hub = await createTestTokenService()
})

function exchangerFor(client: ClientCredentials) {
  const origin = new URL(tokenServiceIssuer).origin
  return new TokenExchanger(
    {
      server: tokenServiceIssuer,
      client,
      timeoutMs: 2000,
      tls: undefined,
      marginSeconds: 5,
      negativeSeconds: 0,
      actor: 'required',
      algorithms: ['ES256'],
      plaintext: false,
    },
    {
      client: createHttpClient({ local: new Map([[origin, request => hub.service.handle(request)]]) }),
      clock: hub.clock,
      log: silentLog,
    },
  )
}

const orders = () =>
  exchangerFor({ id: 'orders', authentication: 'client_secret_basic', secret: new Secret(ordersSecret) })

async function requestOf(audience: string, token: Partial<VerifiedToken> = {}) {
  const presented = token.presented ?? new Secret(await hub.subjectToken())
  return permittedRequest({ audience }, { expiresAt: hub.clock.now() + 300, ...token, presented })
}

const signal = () => AbortSignal.timeout(5000)

describe('the exchanger with our own token service', () => {
  it.each<ClientCredentials['authentication']>(['client_secret_basic', 'client_secret_post'])(
    'obtains a token that keeps the contract, by %s with a secret that needs its encoding',
    async authentication => {
      const secret = new Secret(ordersSecret)
      const exchanger = exchangerFor({ id: 'orders', authentication, secret } as ClientCredentials)
      const result = await exchanger.exchange(await requestOf('orders-api'), signal())
      expect(result).toMatchObject({
        ok: true,
        value: { audience: 'orders-api', actors: ['orders'], scope: ['orders:read'] },
      })
      // The service gives 60 s, the margin takes 5.
      expect(result.ok && result.value.expiresAt - hub.clock.now()).toBe(55)
    },
  )

  it('obtains a token for an audience and the resource that belongs to it', async () => {
    const request = { ...(await requestOf('billing')), resource: 'https://billing.example.com/' }
    const result = await orders().exchange(request, signal())
    expect(result).toMatchObject({ ok: true, value: { audience: 'billing' } })
  })

  it('obtains a token by private_key_jwt, again and again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hopgate-test-'))
    try {
      const key = join(folder, 'client.jwk')
      const { kid, algorithm: alg, privateKey } = hub.reports
      await writeFile(key, JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid, alg }))
      const exchanger = exchangerFor({
        id: 'reports',
        authentication: 'private_key_jwt',
        key,
        assertionAudience: 'issuer',
      })
      for (const _attempt of [1, 2]) {
        expect(await exchanger.exchange(await requestOf('orders-api'), signal())).toMatchObject({
          ok: true,
          value: { actors: ['reports'] },
        })
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('carries the chain of actors over two hops', async () => {
    const first = await orders().exchange(await requestOf('billing'), signal())
    if (!first.ok) throw new Error(first.error.detail)
    expect(first.value.actors).toEqual(['orders'])
    const billing = exchangerFor({
      id: 'billing',
      authentication: 'client_secret_basic',
      secret: new Secret(billingSecret),
    })
    const request = await requestOf('ledger', {
      presented: first.value.value,
      issuer: tokenServiceIssuer,
      fingerprint: first.value.fingerprint,
      actor: { subject: 'orders' },
    })
    expect(await billing.exchange(request, signal())).toMatchObject({
      ok: true,
      value: { actors: ['billing', 'orders'], audience: 'ledger' },
    })
  })

  it.each<[string, string, Partial<VerifiedToken> | undefined, string]>([
    ['an audience that this client may not ask for', 'payroll', undefined, 'exchange.denied'],
    [
      'a subject token that is none',
      'orders-api',
      { presented: new Secret('a.b.c') },
      'exchange.subject_rejected',
    ],
    [
      'a scope that the audience does not have',
      'billing',
      { scope: scopeSet(['orders:read', 'admin']) },
      'exchange.denied',
    ],
  ])('understands a refusal of %s', async (_what, audience, token = {}, code) => {
    const extra = token.scope === undefined ? {} : { scope: token.scope }
    const presented = token.presented ?? new Secret(await hub.subjectToken({ scope: 'orders:read admin' }))
    const request = permittedRequest(
      { audience, ...extra },
      { expiresAt: hub.clock.now() + 300, ...token, presented },
    )
    expect(await orders().exchange(request, signal())).toMatchObject({ ok: false, error: { code } })
  })

  it('understands that its own secret is wrong', async () => {
    const exchanger = exchangerFor({
      id: 'orders',
      authentication: 'client_secret_basic',
      secret: new Secret('wrong'),
    })
    expect(await exchanger.exchange(await requestOf('orders-api'), signal())).toMatchObject({
      error: { code: 'exchange.client_rejected' },
    })
  })
})

describe('a route with a resource', () => {
  it('gets a token for its audience from the token service inside', async () => {
    const hop = await startHop({
      routes: `
  - { path: /orders, audience: orders-api, resource: "https://orders.example.com/" }
  - { path: /refunds, audience: orders-api, resource: "https://refunds.example.com/" }
`,
    })
    try {
      const headers = { authorization: `Bearer ${await hop.issuer.sign()}` }
      for (const path of ['/orders', '/refunds']) {
        expect((await fetch(`${hop.url}${path}`, { headers })).status).toBe(200)
        const [issued] = (await hop.upstream.request()).headerAll('authorization')
        const claims = JSON.parse(Buffer.from(issued?.split('.')[1] ?? '', 'base64url').toString())
        expect(claims.aud).toBe('orders-api')
        hop.upstream.clear()
      }
    } finally {
      await hop.close()
    }
  })
})
