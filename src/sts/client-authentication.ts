import type { EpochSeconds } from '../base/clock.ts'
import type { PresentedCertificate } from '../base/presented-certificate.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import { type ClientAssertion, createAssertionCheck, readClientAssertion } from './client-assertion.ts'
import { type PresentedCredentials, readClientCredentials } from './client-credentials.ts'
import { createSecretCheck } from './client-secrets.ts'
import { createFailureThrottle, type FailureThrottleLimits } from './failure-throttle.ts'
import type { ReplayStore } from './replay-store.ts'
import { refuseClient, type TokenError, tokenError } from './token-error.ts'
import type { TokenForm } from './token-form.ts'

/** What authentication looks at in a token request. */
export interface ClientAuthenticationRequest {
  readonly form: TokenForm
  /** Every value of the `Authorization` field. */
  readonly authorization: readonly string[]
  /** What the peer presented in its TLS handshake. */
  readonly certificate: PresentedCertificate | undefined
  readonly peer: string
  readonly now: EpochSeconds
}

/** A failed authentication, with the configured client that the request claimed to be, for the record. */
export interface ClientAuthenticationFailure {
  readonly error: TokenError
  readonly claimedClient: string | undefined
}

export type AuthenticateClient = (
  request: ClientAuthenticationRequest,
) => Promise<Result<StsClient, ClientAuthenticationFailure>>

/**
 * Failures are counted by client and peer, so that a stranger elsewhere cannot shut a client out; ids that are not
 * configured share one count per peer. Behind one address-translating proxy all clients are one peer.
 */
const throttleLimits: FailureThrottleLimits = { maxFailures: 20, windowSeconds: 60, maxKeys: 10_000 }

/**
 * Authenticates clients by secret (RFC 6749 §2.3.1) or signed assertion (RFC 7523 §2.2 as RFC 10070 tightens it).
 * What was wrong goes to the record; the client only learns that it failed. Too many failures within a minute are
 * answered 429, whether the credentials are right or not.
 */
export function createClientAuthentication(options: {
  readonly issuer: string
  readonly clients: ReadonlyMap<string, StsClient>
  readonly replay: ReplayStore
}): AuthenticateClient {
  const { issuer, clients, replay } = options
  const isSecretOf = createSecretCheck(clients.values())
  const checkAssertion = createAssertionCheck({ issuer, clients, replay })
  const throttle = createFailureThrottle(throttleLimits)

  return async ({ form, authorization, peer, now }) => {
    const presented = readClientCredentials(authorization, form)
    if (!presented.ok) return fail({ error: presented.error, claimedClient: undefined })
    const claim = readClaim(presented.value)
    const client = claim.ok ? clients.get(claim.value.clientId) : undefined
    const claimedClient = client?.id
    const key = JSON.stringify([claimedClient ?? null, peer])
    const retryAfterSeconds = throttle.retryAfterSeconds(key, now)
    if (retryAfterSeconds !== undefined) return fail({ error: throttled(retryAfterSeconds), claimedClient })

    const check = async (): Promise<Result<StsClient, TokenError>> => {
      if (!claim.ok) return refuseClient(claim.error)
      if ('jws' in claim.value) return checkAssertion(claim.value, now)
      const isRight = isSecretOf(client, claim.value.secret)
      return isRight && client !== undefined ? ok(client) : refuseClient('unknown client or wrong secret')
    }
    const checked = await check()
    if (checked.ok) return checked
    if (checked.error.code === 'invalid_client') throttle.fail(key, now)
    return fail({ error: checked.error, claimedClient })
  }
}

type Claim = ClientAssertion | { readonly clientId: string; readonly secret: string }

/** Which client the credentials claim to be, nothing proven. */
function readClaim(presented: PresentedCredentials): Result<Claim, string> {
  if (presented.kind === 'secret') return ok(presented)
  const assertion = readClientAssertion(presented.assertion)
  if (!assertion.ok) return assertion
  if (presented.clientId !== undefined && presented.clientId !== assertion.value.clientId) {
    return fail('client_id is not the sub of the assertion')
  }
  return assertion
}

function throttled(retryAfterSeconds: number): TokenError {
  const error = tokenError('invalid_client', 'too many failed attempts')
  return { ...error, status: 429, retryAfterSeconds }
}
