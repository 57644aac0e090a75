/** Grant types by the names that the token endpoint knows (RFC 8693 §2.1). */
export const grantType = {
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const

/** `client_assertion_type` of RFC 7523 §2.2. */
export const jwtBearerClientAssertion = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
