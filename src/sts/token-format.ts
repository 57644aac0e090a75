import type { Signer } from './signer.ts'

/** What a token is made into from its claims. */
export interface TokenFormat {
  /** `token_type` of the response (RFC 6749 §7.1); `N_A` (RFC 8693 §2.2.1) for what no resource takes as a credential. */
  readonly tokenType: 'Bearer' | 'N_A'
  write(claims: Readonly<Record<string, unknown>>, signer: Signer): string
}

/** A JWT access token (RFC 9068 §2.1). */
export const accessTokenFormat: TokenFormat = {
  tokenType: 'Bearer',
  write: (claims, signer) => signer.sign(claims, 'at+jwt'),
}
