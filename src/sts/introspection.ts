import { channels } from '../base/channels.ts'
import { fail, ok } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import { actorSubjects } from '../oauth/actor.ts'
import type { ClientAnswer, ClientEndpointOptions, ClientRequest } from './client-endpoint.ts'
import type { OwnToken, ReadOwnToken } from './own-token.ts'
import type { RevocableToken } from './revocable-token.ts'
import { type RevocationStore, RevocationStoreError } from './revocation-store.ts'
import type { Signer } from './signer.ts'
import { tokenError } from './token-error.ts'
import { noStoreHeaders } from './token-response.ts'
import { noFacts, type TokenFacts } from './token-service-event.ts'

export interface IntrospectionOptions {
  readonly issuer: string
  readonly readToken: ReadOwnToken
  readonly revocations: RevocationStore
  readonly signer: Signer
}

/** The media type of a signed answer (RFC 9701 §4). */
export const signedIntrospectionType = 'application/token-introspection+jwt'

/**
 * Answers about tokens that this service issued (RFC 7662): what the token itself says while it is good, and otherwise
 * `active: false` and nothing more, whatever the reason is. A client is told about the tokens that are meant for it, as
 * it may present them for an exchange, and about those that were issued to it; of all others it learns nothing.
 *
 * With `Accept: application/token-introspection+jwt` the answer is signed (RFC 9701). An answer of `active: false` is
 * recorded with its reason; that a token is good is only counted, since a resource server asks for each request.
 */
export function createIntrospection(options: IntrospectionOptions): ClientEndpointOptions['answer'] {
  return async request => {
    const { client, form, now } = request
    const facts: TokenFacts = { ...noFacts, client: client.id }
    const presented = form.one('token')
    if (presented === undefined) {
      return fail({ error: tokenError('invalid_request', 'token is missing'), facts })
    }
    const read = options.readToken(presented, now)
    if (!read.ok) return ok(inactive(options, request, facts, read.error))
    const token = read.value
    const known = { ...facts, ...describeToken(token, options.issuer) }
    if (!mayAsk(client, token)) return ok(inactive(options, request, known, 'it is not for this client'))
    // Verifiers allow for clocks that differ; here the answer is exact.
    if (now >= token.expiresAt) return ok(inactive(options, request, known, 'expired'))
    try {
      if (await options.revocations.isRevoked(token.marks)) {
        return ok(inactive(options, request, known, 'revoked'))
      }
    } catch (cause) {
      if (!(cause instanceof RevocationStoreError)) throw cause
      return fail({ error: storeUnavailable(cause), facts: known })
    }
    channels.tokenService.publish({ endpoint: 'introspection', kind: 'active', error: undefined })
    return ok({ response: respond(options, request, describeActive(token)), event: undefined })
  }
}

/** The client may try again when the store of revoked tokens does not answer. */
export function storeUnavailable(cause: RevocationStoreError) {
  return { ...tokenError('temporarily_unavailable', 'try again', cause.message), retryAfterSeconds: 1 }
}

/** What is recorded of a token that was asked about or revoked. */
export function describeToken(token: RevocableToken, issuer: string): Partial<TokenFacts> {
  return {
    subject: token.subject,
    issuer,
    subjectFingerprint: token.fingerprint,
    audience: token.audience.join(' '),
    actors: actorSubjects(token.actor),
  }
}

function mayAsk(client: StsClient, token: OwnToken): boolean {
  return (
    token.clientId === client.id ||
    [client.id, ...client.accepts].some(audience => token.audience.includes(audience))
  )
}

/**
 * The members of RFC 7662 §2.2 and of the RFCs that add to them are claims of the token by the same names, so the answer
 * says what the token says. What it descends from is nobody else's business.
 */
function describeActive({ claims }: OwnToken): Readonly<Record<string, unknown>> {
  const { lineage: _, ...told } = claims
  const isBoundToProof = typeof claims['cnf'] === 'object' && claims['cnf'] !== null && 'jkt' in claims['cnf']
  return { ...told, active: true, token_type: isBoundToProof ? 'DPoP' : 'Bearer' }
}

function inactive(
  options: IntrospectionOptions,
  request: ClientRequest,
  facts: TokenFacts,
  detail: string,
): ClientAnswer {
  const event = { kind: 'inactive', facts, detail, tokenId: undefined, expiresAt: undefined } as const
  return { response: respond(options, request, { active: false }), event }
}

function respond(
  { issuer, signer }: IntrospectionOptions,
  { client, accept, now }: ClientRequest,
  answer: Readonly<Record<string, unknown>>,
) {
  if (!wantsSignature(accept)) {
    return { status: 200, headers: noStoreHeaders, body: JSON.stringify(answer) }
  }
  // Neither sub nor exp at the top, so that nobody takes it for an access token (RFC 9701 §5).
  const claims = { iss: issuer, aud: client.id, iat: Math.floor(now), token_introspection: answer }
  const body = signer.sign(claims, 'token-introspection+jwt')
  return { status: 200, headers: { ...noStoreHeaders, 'content-type': signedIntrospectionType }, body }
}

/** Whether the signed form is named, and is not liked less than plain JSON (RFC 9110 §12.5.1). */
function wantsSignature(accept: readonly string[]): boolean {
  const weights = new Map<string, number>()
  for (const range of accept.flatMap(value => value.split(','))) {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase())
    const weight = parameters.find(parameter => parameter.startsWith('q='))?.slice(2)
    weights.set(type, weight === undefined ? 1 : Number(weight) || 0)
  }
  const signed = weights.get(signedIntrospectionType) ?? 0
  return signed > 0 && signed >= (weights.get('application/json') ?? 0)
}
