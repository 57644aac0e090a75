import type { EpochSeconds } from '../base/clock.ts'
import { Secret } from '../base/secret.ts'
import type { JsonObject } from '../base/strict-json.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { Actor } from '../oauth/actor.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import { tokenType } from '../oauth/token-type.ts'
import type { AccessClaims } from './access-claims.ts'
import { readCompactJws } from './compact-jws.ts'

/** What is known of a token beside its claims. */
export interface TokenFacts {
  readonly presented: string
  readonly issuer: string
  readonly fingerprint: string
  readonly issuedAt: EpochSeconds | undefined
  readonly expiresAt: EpochSeconds
}

/**
 * A verified JWT. Very many are held at a time, so it keeps what every hop needs, and reads all other claims from its text
 * again when a policy asks for them.
 */
export class JwtAccessToken implements VerifiedToken {
  readonly presented: Secret
  readonly issuer: string
  readonly subject: string
  readonly audience: readonly string[]
  readonly clientId: string | undefined
  readonly tokenId: string | undefined
  readonly scope: ScopeSet
  readonly actor: Actor | undefined
  readonly authenticationContext: string | undefined
  readonly authenticatedAt: EpochSeconds | undefined
  readonly issuedAt: EpochSeconds | undefined
  readonly expiresAt: EpochSeconds
  readonly fingerprint: string

  /** @param all what `claims` were read from */
  constructor(facts: TokenFacts, claims: AccessClaims, all: JsonObject) {
    this.presented = new Secret(facts.presented)
    this.issuer = facts.issuer
    this.subject = claims.subject
    this.audience = claims.audience
    this.clientId = claims.clientId
    this.tokenId = claims.tokenId
    this.scope = claims.scope
    this.actor = claims.actor
    this.authenticationContext = claims.authenticationContext
    this.authenticatedAt = claims.authenticatedAt
    this.issuedAt = facts.issuedAt
    this.expiresAt = facts.expiresAt
    this.fingerprint = facts.fingerprint
    Object.freeze(this)
    lastRead = { token: this, claims: all }
  }

  get tokenType(): typeof tokenType.accessToken {
    return tokenType.accessToken
  }

  get claims(): Readonly<Record<string, unknown>> {
    if (lastRead?.token === this) return lastRead.claims
    const jws = readCompactJws(this.presented.expose(), Infinity)
    // It was read before, when it was verified.
    if (!jws.ok) throw new Error('a verified token cannot be read again')
    lastRead = { token: this, claims: jws.value.claims }
    return jws.value.claims
  }
}

/** Whoever asks for one claim asks for more of them: all of the token that was read last, and of no other. */
let lastRead: { readonly token: JwtAccessToken; readonly claims: JsonObject } | undefined
