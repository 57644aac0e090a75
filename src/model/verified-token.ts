import type { EpochSeconds } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { Actor } from '../oauth/actor.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { TokenTypeUri } from '../oauth/token-type.ts'

/** A presented token after every check of its issuer's rules has passed. Made only by a verifier in `tokens/`. */
export interface VerifiedToken {
  readonly presented: Secret
  readonly tokenType: TokenTypeUri
  readonly issuer: string
  readonly subject: string
  readonly audience: readonly string[]
  /** The client that the token was issued to: `client_id`, else `azp` (RFC 9068 §2.2, OpenID Connect Core §2). */
  readonly clientId?: string | undefined
  /** `jti` (RFC 7519 §4.1.7). */
  readonly tokenId?: string | undefined
  readonly scope: ScopeSet
  /** `act`, current actor outermost (RFC 8693 §4.1). */
  readonly actor?: Actor | undefined
  /** `acr`: how the user authenticated. */
  readonly authenticationContext?: string | undefined
  /** `auth_time`: when the user authenticated; undefined also when the claim is no time. */
  readonly authenticatedAt?: EpochSeconds | undefined
  readonly issuedAt?: EpochSeconds | undefined
  readonly expiresAt: EpochSeconds
  /**
   * Base64url SHA-256 over what the issuer signed (header and payload, not the signature), so that another encoding
   * of the same signature is still the same token. Safe to log; it opens nothing.
   */
  readonly fingerprint: string
  /** All claims, for policy expressions. A null-prototype object, deeply frozen. May be read anew each time. */
  readonly claims: Readonly<Record<string, unknown>>
}
