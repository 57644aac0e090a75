import { isJsonObject } from '../base/strict-json.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { ClaimNames, PolicyDocument } from './document.ts'

/** A subject or an actor as the rules see it. */
export interface Party {
  readonly subject: string
  /** Who vouches for the identity: the original issuer, where the token service passed a subject on (`sub_id`). */
  readonly issuer: string
  readonly tenant: string | undefined
  readonly roles: readonly string[]
  readonly claims: Readonly<Record<string, unknown>>
}

export interface ActingParty extends Party {
  /**
   * `person`: came with a token of its own. `client`: a client of the policy that the token service named in `act`.
   * `other`: anybody else in `act`.
   */
  readonly kind: 'person' | 'client' | 'other'
}

/**
 * The party that a token is about.
 *
 * @param server issuer identifier of the token service: of its tokens, and of no others, `sub_id` is believed
 */
export function readParty(token: VerifiedToken, names: ClaimNames, server: string): Party {
  // Read once: a token may read its claims anew each time.
  const { subject, issuer, claims } = token
  return {
    subject,
    issuer: issuer === server ? originOf(subject, issuer, claims) : issuer,
    tenant: readTenant(claims, names),
    roles: readRoles(claims, names),
    claims,
  }
}

/**
 * The current actor as a subject token says: its outermost `act`. Nothing deeper in the chain counts (RFC 8693 §4.1).
 *
 * @param server issuer identifier of the token service, whose clients are known here
 */
export function readTokenActor(
  subject: VerifiedToken,
  document: Pick<PolicyDocument, 'claims' | 'clients'>,
  server: string,
): ActingParty | undefined {
  const { actor } = subject
  if (actor === undefined) return undefined
  const act = subject.claims['act']
  const claims = isJsonObject(act) ? act : {}
  // Only the token service may speak of others' subjects: who is in an issuer's `act` is that issuer's word, whatever its `iss`.
  const isOurs = subject.issuer === server
  const issuer = isOurs ? (actor.issuer ?? server) : subject.issuer
  const isClient = isOurs && issuer === server && document.clients.has(actor.subject)
  return {
    subject: actor.subject,
    issuer,
    tenant: readTenant(claims, document.claims),
    roles: readRoles(claims, document.claims),
    claims,
    kind: isClient ? 'client' : 'other',
  }
}

/** `sub_id` (RFC 9493 §4) of a token that the token service made for another issuer's subject, else `iss`. */
function originOf(subject: string, issuer: string, claims: Party['claims']): string {
  const subjectId = claims['sub_id']
  const isOriginal =
    isJsonObject(subjectId) &&
    subjectId['format'] === 'iss_sub' &&
    typeof subjectId['iss'] === 'string' &&
    subjectId['sub'] === subject
  return isOriginal ? (subjectId['iss'] as string) : issuer
}

const nothing: readonly string[] = Object.freeze([])

/** A claim of another type than expected says nothing. */
function readTenant(claims: Party['claims'], names: ClaimNames): string | undefined {
  const tenant = claims[names.tenant]
  return typeof tenant === 'string' && tenant !== '' ? tenant : undefined
}

function readRoles(claims: Party['claims'], names: ClaimNames): readonly string[] {
  const roles = claims[names.roles]
  return Array.isArray(roles) && roles.every(role => typeof role === 'string') ? roles : nothing
}
