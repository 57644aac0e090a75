import { digestFields, digestFieldsBase64Url } from '../../base/digest.ts'
import type { Secret } from '../../base/secret.ts'
import type { ActingPerson, ExchangeRequest } from '../../model/exchange-request.ts'
import { formatScope } from '../../oauth/scope-set.ts'

/**
 * Names and opens one cache entry. Both halves are derived from everything that the entry depends on, the subject
 * token's signature included, so that neither a dump of Redis nor the audit trail is enough to make one.
 */
export interface CacheKey {
  /** Names the entry: base64url, 43 characters. May be seen by whoever sees Redis; opens nothing. */
  readonly id: string
  /** Encrypts the entry: 32 bytes. Never leaves the process. */
  readonly seal: Buffer
  /** The entry is kept in the memory of this process only. */
  readonly isLocal?: boolean
}

/** What an issued token depends on besides the request. */
export interface CacheKeyContext {
  /** Our `client_id` at the authorization server. */
  readonly clientId: string
  /** Issuer identifier of the authorization server. */
  readonly server: string
  /** `SidecarConfig.policyDigest`: other rules are other entries. */
  readonly policyDigest: string
  /** Seals what is the workload's own, see `deriveMachineSeal`; undefined keeps that in memory. */
  readonly machineSeal?: Buffer | undefined
}

/**
 * The key of a request's issued token. Its name is a SHA-256 over every field, each preceded by its length; what seals the
 * entry is one over that name and, once more, the part of the subject token that only its holder knows. The request is
 * taken apart exhaustively, so that a new field does not compile without a decision here.
 */
export function cacheKey(request: ExchangeRequest, context: CacheKeyContext): CacheKey {
  return new DerivedKey(request, context)
}

/** Very many are held at a time, and most of them never open an entry: the seal is derived when it is needed. */
class DerivedKey implements CacheKey {
  readonly id: string
  readonly #request: ExchangeRequest

  constructor(request: ExchangeRequest, context: CacheKeyContext) {
    this.#request = request
    this.id = idOf(request, context)
  }

  get seal(): Buffer {
    return digestFields('hopgate cache seal 2', [this.id, secretPart(this.#request.subjectToken)])
  }
}

function idOf(request: ExchangeRequest, context: CacheKeyContext): string {
  return digestFieldsBase64Url('hopgate cache id 3', fieldsOf(request, context, secretPart))
}

/** One thing that the name of an entry depends on. */
export interface CacheKeyPart {
  readonly name: string
  /** Undefined: there is none. What is secret is only said to be. */
  readonly value: string | undefined
}

/** What the name of an entry depends on, in order, for people. */
export function describeCacheKey(
  request: ExchangeRequest,
  context: CacheKeyContext,
): readonly CacheKeyPart[] {
  const names = fieldNames(request.actors.length)
  return fieldsOf(request, context, () => '[secret]').map((value, index) => ({
    name: names[index] as string,
    value,
  }))
}

/** The names of {@link fieldsOf}. */
function fieldNames(actors: number): readonly string[] {
  return [
    ...['server', 'client_id', 'policy', 'subject_token', 'fingerprint', 'subject_token_type'],
    ...['issuer', 'subject', 'token_id', 'actors'],
    ...Array.from({ length: actors }, (_, index) => `actor ${index + 1}`),
    ...['acr', 'actor_token', 'actor_fingerprint', 'actor_token_type', 'actor_issuer', 'actor_subject'],
    ...['mode', 'case_id', 'audience', 'resource', 'scope', 'required_scope', 'requested_token_type'],
    ...['not_after', 'ttl_seconds'],
  ]
}

function fieldsOf(
  request: ExchangeRequest,
  context: CacheKeyContext,
  secretOf: (token: Secret) => string,
): readonly (string | undefined)[] {
  const {
    // A name. Nothing that is asked or checked depends on it; two routes that ask for the same thing may share.
    route: _route,
    subjectToken,
    subjectTokenType,
    issuer,
    subject,
    tokenId,
    fingerprint,
    actors,
    authenticationContext,
    person,
    mode,
    caseId,
    audience,
    resource,
    scope,
    requiredScope,
    requestedTokenType,
    notAfter,
    ttlSeconds,
    ...undecided
  } = request
  undecided satisfies Record<string, never>
  const { token: actorToken, tokenType: actorTokenType, ...actor } = person ?? nobody
  const {
    issuer: actorIssuer,
    subject: actorSubject,
    fingerprint: actorFingerprint,
    ...undecidedActor
  } = actor
  undecidedActor satisfies Record<string, never>
  const { clientId, server, policyDigest, machineSeal: _machineSeal, ...undecidedContext } = context
  undecidedContext satisfies Record<string, never>
  return [
    server,
    clientId,
    policyDigest,
    secretOf(subjectToken),
    fingerprint,
    subjectTokenType,
    issuer,
    subject,
    tokenId,
    String(actors.length),
    ...actors,
    authenticationContext,
    actorToken && secretOf(actorToken),
    actorFingerprint,
    actorTokenType,
    actorIssuer,
    actorSubject,
    mode,
    caseId,
    audience,
    resource,
    formatScope(scope),
    formatScope(requiredScope),
    requestedTokenType,
    String(notAfter),
    ttlSeconds === undefined ? undefined : String(ttlSeconds),
  ]
}

const nobody: Partial<ActingPerson> = Object.freeze({})

/**
 * The part of a token that only its holder knows: for a JWS the first half of its signature, else the whole token. The
 * header and payload will not do, their digest is the fingerprint that the audit trail shows; and the second half of an
 * ECDSA signature will not do, anybody can turn it into another valid one (`n − s`), which would be a second identity
 * of one token. A revoked token's twin must not miss the eviction.
 */
function secretPart(token: Secret): string {
  const text = token.expose()
  const second = text.indexOf('.', text.indexOf('.') + 1)
  const signatureLength = text.length - second - 1
  const bytes = Math.floor((signatureLength * 3) / 4)
  const isJws = second > 0 && text.indexOf('.', second + 1) === -1
  if (!isJws || bytes < 32) return `token:${text}`
  // Whole characters of the first half's bytes: none of them holds a bit of the other half.
  const characters = Math.floor((Math.floor(bytes / 2) * 4) / 3)
  return `signature:${text.slice(second + 1, second + 1 + characters)}`
}
