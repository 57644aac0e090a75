import type { AdmittedRequest } from '../model/admitted-request.ts'
import type { VerifiedToken } from '../model/verified-token.ts'

/**
 * What a policy expression can see. Claims appear under their own names, so that
 * `subject.tenant == request.headers["x-tenant"]` reads as it is meant.
 */
export interface PolicyFacts extends Record<string, unknown> {
  /** The token's claims, with `id` for `sub` and `issuer` for `iss`. */
  readonly subject: Readonly<Record<string, unknown>>
  /** The outermost actor's claims, with `id` for its `sub`; empty when nobody acts for the subject. */
  readonly actor: Readonly<Record<string, unknown>>
  /** `{ id }`, the client that the token was issued to; empty when the token names none. */
  readonly client: Readonly<Record<string, unknown>>
  /** `{ scope: [...], audience: [...], expires_at }`. */
  readonly token: Readonly<Record<string, unknown>>
  /**
   * `{ method, path, host, headers }`. The path is decoded, so that `%61dmin` is `admin` as it is to the upstream; what
   * would change the path's structure when decoded was refused before. The host is the one that routes are matched by:
   * lower case, without port and trailing dot. Header names are lower case, repeated fields joined by a comma; the
   * headers are there only for an expression that can reach them.
   */
  readonly request: Readonly<Record<string, unknown>>
}

/** Which facts an expression looks at; no others need to be put together. */
export interface FactsRead {
  /** Whether it looks at `request`; if not, its answer depends on the token alone. */
  readonly readsRequest: boolean
  /** Whether it can reach `request.headers`. */
  readonly readsHeaders: boolean
}

type TokenFacts = Omit<PolicyFacts, 'request'>

const remembered = new WeakMap<VerifiedToken, TokenFacts>()
const noRequest = Object.freeze({})

/** Facts for one request. What the token alone says is put together once for each token. */
export function policyFacts(token: VerifiedToken, request: AdmittedRequest, reads: FactsRead): PolicyFacts {
  let facts = remembered.get(token)
  if (facts === undefined) {
    facts = tokenFacts(token)
    remembered.set(token, facts)
  }
  return { ...facts, request: reads.readsRequest ? requestFacts(request, reads) : noRequest } as PolicyFacts
}

function tokenFacts(token: VerifiedToken): TokenFacts {
  const act = token.claims['act']
  return {
    subject: { ...token.claims, id: token.subject, issuer: token.issuer },
    actor: token.actor === undefined ? {} : { ...(act as Record<string, unknown>), id: token.actor.subject },
    client: token.clientId === undefined ? {} : { id: token.clientId },
    token: { scope: [...token.scope], audience: [...token.audience], expires_at: token.expiresAt },
  }
}

function requestFacts(
  request: AdmittedRequest,
  { readsHeaders }: FactsRead,
): Readonly<Record<string, unknown>> {
  return {
    method: request.method,
    path: decodeURIComponent(request.path),
    host: request.host,
    ...(readsHeaders && { headers: headerFacts(request.headers) }),
  }
}

function headerFacts(fields: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = Object.create(null)
  for (let index = 0; index < fields.length; index += 2) {
    const name = (fields[index] as string).toLowerCase()
    const value = fields[index + 1] as string
    const before = headers[name]
    headers[name] = before === undefined ? value : `${before}, ${value}`
  }
  return headers
}
