/** Token type identifiers of RFC 8693 §3. `access_token` says what a token is for, `jwt` what it looks like. */
export const tokenType = {
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  refreshToken: 'urn:ietf:params:oauth:token-type:refresh_token',
  idToken: 'urn:ietf:params:oauth:token-type:id_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
  saml1: 'urn:ietf:params:oauth:token-type:saml1',
  saml2: 'urn:ietf:params:oauth:token-type:saml2',
  /** A Transaction Token (draft-ietf-oauth-transaction-tokens §4): context for a call chain, and no credential. */
  transaction: 'urn:ietf:params:oauth:token-type:txn_token',
  /** A ticket of Hopgate: what a queue carries instead of a token, good for one exchange by one kind of worker. */
  ticket: 'urn:hopgate:params:oauth:token-type:ticket',
} as const

/** A token type URI: one of {@link tokenType}, or a vendor's own. */
export type TokenTypeUri = string
