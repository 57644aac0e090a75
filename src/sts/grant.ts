import type { EpochSeconds } from '../base/clock.ts'
import type { MaybePromise, Result } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { TokenTypeUri } from '../oauth/token-type.ts'
import type { TokenError } from './token-error.ts'
import type { TokenForm } from './token-form.ts'
import type { TokenFacts } from './token-service-event.ts'

/**
 * What is particular to one grant type. The endpoint owns the phases: it has read the form, authenticated the client
 * and checked that the client may use this grant before it asks, and it issues and records afterwards.
 *
 * Contract: answers an {@link Issuance} only for what the client may have; never throws for any input; no text of the
 * request appears in the error.
 */
export interface Grant {
  readonly grantType: string
  authorize(request: GrantRequest, client: StsClient): MaybePromise<Result<Issuance, GrantRefusal>>
}

export interface GrantRequest {
  readonly form: TokenForm
  readonly now: EpochSeconds
}

/** A token that may be issued. */
export interface Issuance {
  readonly subject: string
  readonly audience: string
  readonly scope: ScopeSet
  /** The `act` claim (RFC 8693 §4.1). */
  readonly actor: Readonly<Record<string, unknown>>
  /** Other claims. May not name one that the endpoint sets itself. */
  readonly claims: Readonly<Record<string, unknown>>
  /**
   * The tokens that it is issued for: the subject's, and any other that was presented to the same end. It does not
   * outlive any of them, and dies with them when they are revoked.
   */
  readonly derivedFrom: readonly VerifiedToken[]
  /** The token lives no longer than this, whatever {@link ttlSeconds} says. */
  readonly notAfter: EpochSeconds
  readonly ttlSeconds: number
  readonly issuedTokenType: TokenTypeUri
  readonly facts: TokenFacts
}

/** A refusal with what is known by then, for the record. */
export interface GrantRefusal {
  readonly error: TokenError
  readonly facts: TokenFacts
}
