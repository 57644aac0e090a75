import type { EpochSeconds } from '../base/clock.ts'
import type { MaybePromise, Result } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { TokenTypeUri } from '../oauth/token-type.ts'
import type { TokenError } from './token-error.ts'
import type { TokenForm } from './token-form.ts'
import type { TokenFormat } from './token-format.ts'
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
  /** Whether a client that is configured with no grants has it: only where something else decides who may use it. */
  readonly isImplied: boolean
  /** Whether a request of the grant type is for this grant; absent: whenever it is for no other one. */
  isFor?(form: TokenForm): boolean
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
  /** The `act` claim (RFC 8693 §4.1); undefined when nobody acts for the subject. */
  readonly actor: Readonly<Record<string, unknown>> | undefined
  /** Other claims. May not name one that the endpoint sets itself. */
  readonly claims: Readonly<Record<string, unknown>>
  /**
   * The tokens that it is issued for: the subject's, and any other that was presented to the same end. It dies with them
   * when they are revoked, and does not outlive any of them unless {@link mayOutlive} says so.
   */
  readonly derivedFrom: readonly VerifiedToken[]
  /** It waits in a queue, for no longer than the configuration lets a ticket live: revocations are kept as long. */
  readonly mayOutlive?: true
  /** The token lives no longer than this, whatever {@link ttlSeconds} says. */
  readonly notAfter: EpochSeconds
  readonly ttlSeconds: number
  readonly format: TokenFormat
  /** Named in the response of a token exchange (RFC 8693 §2.2.1) and of no other grant. */
  readonly issuedTokenType: TokenTypeUri | undefined
  readonly facts: TokenFacts
}

/** A refusal with what is known by then, for the record. */
export interface GrantRefusal {
  readonly error: TokenError
  readonly facts: TokenFacts
}
