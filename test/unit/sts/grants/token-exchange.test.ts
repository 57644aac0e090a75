import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ok } from '../../../../src/base/result.ts'
import { Secret } from '../../../../src/base/secret.ts'
import type { StsClient } from '../../../../src/config/sidecar-config.ts'
import type { VerifiedToken } from '../../../../src/model/verified-token.ts'
import { scopeSet } from '../../../../src/oauth/scope-set.ts'
import { tokenType } from '../../../../src/oauth/token-type.ts'
import { createTokenExchangeGrant } from '../../../../src/sts/grants/token-exchange.ts'
import type { TokenForm } from '../../../../src/sts/token-form.ts'
import { createTestTokenService, secretAuthentication } from '../../../support/token-service.ts'

const vocabulary = ['orders:read', 'orders:refund', 'billing:read', 'ledger:write', 'admin'] as const
const scopes = fc.uniqueArray(fc.constantFrom(...vocabulary))

interface Case {
  readonly held: readonly string[] | undefined
  readonly configured: readonly string[]
  readonly requested: readonly string[] | undefined
  readonly subjectLifeSeconds: number
  readonly ttlSeconds: number | undefined
}

const cases: fc.Arbitrary<Case> = fc.record({
  held: fc.option(scopes, { nil: undefined }),
  configured: scopes,
  requested: fc.option(scopes, { nil: undefined }),
  subjectLifeSeconds: fc.integer({ min: 2, max: 600 }),
  ttlSeconds: fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: undefined }),
})

describe('token exchange never widens', () => {
  /** A service whose one client has exactly the configured scopes and life. */
  const serviceFor = (configured: readonly string[], ttlSeconds: number | undefined) => {
    const client: StsClient = {
      id: 'orders',
      authentication: secretAuthentication('s'),
      accepts: [],
      audiences: new Map([['orders-api', { scope: configured, ttlSeconds }]]),
    }
    return createTestTokenService({ clients: [client] })
  }

  it('whatever is presented, configured and asked for', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ held, configured, requested, subjectLifeSeconds, ttlSeconds }) => {
        const service = await serviceFor(configured, ttlSeconds)
        const expiresAt = service.clock.now() + subjectLifeSeconds
        const answer = await service.exchange(
          {
            subject_token: await service.subjectToken({ scope: held?.join(' '), exp: expiresAt }),
            scope: requested?.join(' '),
          },
          `Basic ${btoa('orders:s')}`,
        )
        const most = configured.filter(scope => (held ?? []).includes(scope))
        // An empty parameter is an omitted one (RFC 6749 §3.2).
        const asked = requested !== undefined && requested.length > 0 ? requested : undefined
        if (asked?.every(scope => most.includes(scope)) === false) {
          expect(answer.json['error']).toBe('invalid_scope')
          return
        }
        expect(answer.status).toBe(200)
        const granted = String(answer.json['scope'])
          .split(' ')
          .filter(scope => scope !== '')
        expect(new Set(granted)).toEqual(new Set(asked))
        expect(answer.claims['scope']).toBe(granted.length === 0 ? undefined : granted.join(' '))
        expect(answer.claims['exp']).toBeLessThanOrEqual(expiresAt)
        expect(answer.claims['exp']).toBeLessThanOrEqual(
          service.clock.now() + Math.min(ttlSeconds ?? 120, 120),
        )
      }),
      { numRuns: 60 },
    )
  })
})

describe('the token exchange grant', () => {
  it('refuses a token that is bound to a key, even if a verifier let it pass', async () => {
    const token: VerifiedToken = {
      presented: new Secret(''),
      tokenType: tokenType.accessToken,
      issuer: 'https://login.example.com',
      subject: 'alice',
      audience: ['orders'],
      scope: scopeSet([]),
      expiresAt: 1_300,
      fingerprint: '',
      claims: {},
    }
    const client: StsClient = {
      id: 'orders',
      authentication: { kind: 'private_key_jwt', jwks: { keys: [] } },
      accepts: [],
      audiences: new Map([['orders-api', { scope: [], ttlSeconds: undefined }]]),
    }
    const form: TokenForm = {
      one: name =>
        ({ subject_token: 'x', subject_token_type: tokenType.accessToken })[name] as string | undefined,
      all: name => (name === 'audience' ? ['orders-api'] : []),
    }
    const authorize = (claims: VerifiedToken['claims']) =>
      createTokenExchangeGrant({
        issuer: 'https://hub.example.com',
        verifier: { verify: () => ok({ ...token, claims }), recall: () => undefined },
        clients: [client],
        maxTtlSeconds: 60,
        budget: { maxActorDepth: 4, maxActorBytes: 2_048, maxActorVisits: 2 },
        policy: undefined,
        approvals: undefined,
        environment: undefined,
      }).authorize({ form, now: 1_000 }, client)
    expect(await authorize({})).toMatchObject({ ok: true })
    expect(await authorize({ cnf: {} })).toMatchObject({ error: { error: { code: 'invalid_request' } } })
  })
})
