/** The authorization server that a token request goes to. */
export interface TokenServer {
  readonly issuer: string
  readonly tokenEndpoint: URL
}

/**
 * Adds a client's credentials to a token request (RFC 6749 §2.3): to its form or to its headers, by one method only.
 *
 * Contract: called once per request; leaves what the grant has put into the form alone; a secret goes nowhere else.
 *
 * @throws ClientAuthenticationError when the credentials cannot be had now
 */
export type ClientAuthentication = (
  form: URLSearchParams,
  headers: Record<string, string>,
  server: TokenServer,
) => void | Promise<void>

/** The client's own credentials are not usable, such as a key file that cannot be read. Holds nothing secret. */
export class ClientAuthenticationError extends Error {
  override readonly name = 'ClientAuthenticationError'
}
