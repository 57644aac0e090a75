import { silentLog } from '../../src/base/log.ts'
import type { MaybePromise, Result } from '../../src/base/result.ts'
import { Secret } from '../../src/base/secret.ts'
import type { IntrospectionConfig, IssuerRules } from '../../src/config/sidecar-config.ts'
import type { Refusal } from '../../src/model/refusal.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { createTokenVerifiers, type TokenVerifiers } from '../../src/tokens/token-verifiers.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { createFakeHttpClient, type FakeAnswer, type FakeHttpClient } from './fake-http-client.ts'
import { rulesFor } from './issuer-rules.ts'
import { createTestIssuer, type TestIssuer } from './tokens.ts'

export const introspectionEndpoint = 'https://login.example.com/introspect'

export function anIntrospectionConfig(about: Partial<IntrospectionConfig> = {}): IntrospectionConfig {
  return {
    endpoint: new URL(introspectionEndpoint),
    client: { id: 'orders', authentication: 'client_secret_basic', secret: new Secret('secret-canary') },
    opaque: true,
    signed: false,
    tokenType: 'required',
    cacheMs: 5_000,
    negativeMs: 3_000,
    timeoutMs: 2_000,
    ...about,
  }
}

/** The verifiers of one issuer, which answers about tokens as the test says, on a clock that moves when told. */
export interface AskingVerifiers {
  readonly issuer: TestIssuer
  readonly clock: FakeClock
  readonly client: FakeHttpClient
  readonly verifiers: TokenVerifiers
  /** Members of a good answer: alice, for shop-web, for five minutes; replaced or, by undefined, left out. */
  about(members?: Record<string, unknown>): Record<string, unknown>
  /** Answers 200 with this JSON, or whatever it is, from now on. */
  answer(answer: Record<string, unknown> | FakeAnswer | (() => FakeAnswer | Promise<FakeAnswer>)): void
  /** Verifies as `authenticate` does; the answer is the token or `CODE: DETAIL`. */
  verify(way: 'jwt' | 'introspection' | 'both', presented: string): Promise<VerifiedToken | string>
}

export async function startAskingVerifiers(
  config: Partial<IntrospectionConfig> = {},
  changes: Partial<IssuerRules> = {},
): Promise<AskingVerifiers> {
  const issuer = await createTestIssuer()
  const clock = createFakeClock(Math.floor(Date.now() / 1000))
  let script: () => FakeAnswer | Promise<FakeAnswer> = () => ({ body: '{"active":false}' })
  const client = createFakeHttpClient(() => script())
  const introspection = anIntrospectionConfig(config)
  const verifiers = createTokenVerifiers([rulesFor(issuer, { introspection, ...changes })], {
    client,
    log: silentLog,
    tokenBytes: 8192,
    keyOptions: { clock },
    memory: { maxEntries: 100, maxBytes: 10_000_000 },
  })
  return {
    issuer,
    clock,
    client,
    verifiers,
    about: members => ({
      active: true,
      sub: 'alice',
      aud: 'shop-web',
      client_id: 'shop-web',
      token_type: 'Bearer',
      scope: 'orders:read',
      exp: clock.now() + 300,
      ...members,
    }),
    answer(answer) {
      if (typeof answer === 'function') script = answer
      else if (answer instanceof Error || 'body' in answer || 'status' in answer) {
        script = () => answer as FakeAnswer
      } else script = () => ({ body: JSON.stringify(answer) })
    },
    async verify(way, presented) {
      const now = clock.now()
      const verifier = verifiers[way]
      const verified = await settle(verifier.recall(presented, now) ?? verifier.verify(presented, now))
      return verified.ok ? verified.value : `${verified.error.code}: ${verified.error.detail}`
    },
  }
}

async function settle(
  verified: MaybePromise<Result<VerifiedToken, Refusal>>,
): Promise<Result<VerifiedToken, Refusal>> {
  return verified
}
