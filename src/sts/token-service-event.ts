import type { EpochSeconds } from '../base/clock.ts'
import type { DecisionFacts } from '../model/audit-event.ts'
import type { SubjectKind } from '../model/subject-kind.ts'
import type { TokenErrorCode } from './token-error.ts'

/**
 * What the token service records: each token that it issued or revoked, each request that it refused, and each token that
 * it was asked about and told nothing of (`inactive`, with the reason as `detail`).
 */
export interface TokenServiceEvent extends TokenFacts {
  readonly id: string
  readonly at: EpochSeconds
  readonly kind: 'issued' | 'refused' | 'revoked' | 'inactive'
  readonly endpoint: 'token' | 'introspection' | 'revocation'
  readonly grantType: string | undefined
  /** Address of the client, or `local` inside one process. */
  readonly peer: string
  readonly error: TokenErrorCode | undefined
  readonly detail: string | undefined
  /** `jti` of the token that was issued or revoked. */
  readonly tokenId: string | undefined
  /** `exp` of that token. */
  readonly expiresAt: EpochSeconds | undefined
}

/**
 * Who and what a token request was about, as far as it was known when the event was made. Everything is either
 * configured here or taken from a verified token: a text that only the request holds is left out.
 */
export interface TokenFacts {
  /** A configured client; it is the one that the request claims to be when `error` is `invalid_client`. */
  readonly client: string | undefined
  readonly subject: string | undefined
  /** Issuer of the subject token. */
  readonly issuer: string | undefined
  /** Fingerprint of the subject token, or of the one asked about; see `VerifiedToken.fingerprint`. */
  readonly subjectFingerprint: string | undefined
  readonly subjectKind?: SubjectKind
  /** The subjects of the `act` chain of that token. */
  readonly subjectActors?: readonly string[]
  readonly audience: string | undefined
  /** What a ticket is for; only for tickets. */
  readonly purpose?: string
  /** What was granted; for a refusal, those of the requested scopes that are configured. */
  readonly scope: string | undefined
  /** The subjects of the `act` chain, current actor first: the issued token's, else what is known of the subject's. */
  readonly actors: readonly string[]
  /** The person who acts, by a token of their own. */
  readonly person?: { readonly issuer: string; readonly subject: string; readonly fingerprint: string }
  readonly caseId?: string
  /** The rule of the policy that decided, and what it permitted. */
  readonly decision?: DecisionFacts
}

/** Facts about nobody yet. */
export const noFacts: TokenFacts = {
  client: undefined,
  subject: undefined,
  issuer: undefined,
  subjectFingerprint: undefined,
  audience: undefined,
  scope: undefined,
  actors: [],
}
