/** Grant types by the names that the token endpoint knows (RFC 8693 §2.1, RFC 6749 §4.4, RFC 7523 §2.1). */
export const grantType = {
  clientCredentials: 'client_credentials',
  jwtBearer: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const

/** `client_assertion_type` of RFC 7523 §2.2. */
export const jwtBearerClientAssertion = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** `client_assertion_type` of a JWT-SVID (draft-ietf-oauth-spiffe-client-auth). */
export const jwtSpiffeClientAssertion = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'
