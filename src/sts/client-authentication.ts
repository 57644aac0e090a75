import type { EpochSeconds } from '../base/clock.ts'
import type { PresentedCertificate } from '../base/presented-certificate.ts'
import { fail, type Result } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import { type ClientClaimOptions, createClaimReader, unheard } from './client-claim.ts'
import { readClientCredentials } from './client-credentials.ts'
import { createFailureThrottle, type FailureThrottleLimits } from './failure-throttle.ts'
import { refuseClient, type TokenError } from './token-error.ts'
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
 * Authenticates clients, each by the one method that is configured for it: a secret (RFC 6749 §2.3.1), a signed assertion
 * (RFC 7523 §2.2 as RFC 10070 tightens it), a certificate (RFC 8705), a service account or a SPIFFE ID. What was wrong
 * goes to the record; the client only learns that it failed. Too many failures within a minute are answered 429, whether
 * the credentials are right or not.
 *
 * @throws Error that names the client, for a key, a hash or a name that cannot be used
 */
export function createClientAuthentication(options: ClientClaimOptions): AuthenticateClient {
  const readClaim = createClaimReader(options)
  const throttle = createFailureThrottle(throttleLimits)

  return async ({ form, authorization, certificate, peer, now }) => {
    const presented = readClientCredentials(authorization, form, certificate !== undefined)
    if (!presented.ok) return fail({ error: presented.error, claimedClient: undefined })
    const claim = readClaim(presented.value, certificate)
    const claimedClient = claim.ok ? claim.value.client?.id : undefined
    const key = JSON.stringify([claimedClient ?? null, peer])
    const isHeard = (): boolean => throttle.retryAfterSeconds(key, now) === undefined
    const refuseUnheard = (): Result<never, ClientAuthenticationFailure> =>
      fail({ error: throttled(throttle.retryAfterSeconds(key, now) ?? 1), claimedClient })
    if (!isHeard()) return refuseUnheard()

    const proven = claim.ok ? await claim.value.prove({ now, key, isHeard }) : refuseClient(claim.error)
    if (proven.ok) return proven
    if (proven.error === unheard) return refuseUnheard()
    if (proven.error.code === 'invalid_client') throttle.fail(key, now)
    return fail({ error: proven.error, claimedClient })
  }
}

function throttled(retryAfterSeconds: number): TokenError {
  return { ...unheard, status: 429, retryAfterSeconds }
}
