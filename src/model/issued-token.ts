import type { EpochSeconds } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { TokenTypeUri } from '../oauth/token-type.ts'

/** A token that the authorization server issued for one audience and that passed the issued-token contract. */
export interface IssuedToken {
  readonly value: Secret
  readonly issuedTokenType: TokenTypeUri
  /** `aud`, exactly the audience that was asked for. */
  readonly audience: string
  readonly scope: ScopeSet
  /** The subjects of its `act` chain, current actor first. */
  readonly actors: readonly string[]
  /** `jti`, for the audit trail. */
  readonly tokenId: string | undefined
  /** Base64url SHA-256 of header and payload, see `VerifiedToken.fingerprint`. */
  readonly fingerprint: string
  /** When it may last be used: the earliest of its own life, the subject token's and the route's bound. */
  readonly expiresAt: EpochSeconds
}

/** Where an issued token came from. `joined`: shared another request's exchange that was under way. */
export type TokenSource = 'issued' | 'joined' | 'memory' | 'redis'

/** What the exchange stage answers. */
export interface Exchanged {
  readonly token: IssuedToken
  readonly source: TokenSource
  /** The Transaction Token beside it, on a route with dual identity. */
  readonly transaction?: IssuedToken
}
