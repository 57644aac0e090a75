/** Grant types by the names that the token endpoint knows (RFC 8693 §2.1, RFC 6749 §4.4). */
export const grantType = {
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  clientCredentials: 'client_credentials',
} as const

export type GrantType = (typeof grantType)[keyof typeof grantType]

/** `client_assertion_type` of RFC 7523 §2.2. */
export const jwtBearerClientAssertion = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
