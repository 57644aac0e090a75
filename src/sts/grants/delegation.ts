import { fail, ok, type Result } from '../../base/result.ts'
import { isJsonObject } from '../../base/strict-json.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { actorDepth } from '../../oauth/actor.ts'
import { type TokenError, tokenError } from '../token-error.ts'

/** The client as the party that acts: its id at this issuer. */
export interface ActingClient {
  readonly id: string
  /** The token service's own issuer identifier. */
  readonly issuer: string
}

const mayActMembers: ReadonlySet<string> = new Set(['sub', 'iss', 'client_id'])

/**
 * Whether `may_act` (RFC 8693 §4.4), where the subject token has it, names this client. Every member must match;
 * a member that cannot be compared with a client may well be the one that excludes it, so it refuses.
 */
export function isNamedByMayAct(claim: unknown, client: ActingClient): boolean {
  if (claim === undefined) return true
  if (!isJsonObject(claim) || !Object.keys(claim).every(name => mayActMembers.has(name))) return false
  const { sub, iss, client_id: clientId } = claim
  if (sub === undefined && clientId === undefined) return false
  return (
    (sub === undefined || sub === client.id) &&
    (clientId === undefined || clientId === client.id) &&
    (iss === undefined || iss === client.issuer)
  )
}

/**
 * Builds the `act` claim (RFC 8693 §4.1): this client outermost, the subject token's chain inside it as it came, with
 * members that are not known here. A client that is the current actor already is not nested into itself.
 */
export function nestActor(
  token: VerifiedToken,
  client: ActingClient,
  maxDepth: number,
): Result<Readonly<Record<string, unknown>>, TokenError> {
  const prior = token.claims['act']
  const current = token.actor
  if (prior !== undefined && (current === undefined || !isJsonObject(prior))) {
    return fail(tokenError('invalid_request', 'the subject token has an unreadable act claim'))
  }
  const isSame = current?.subject === client.id && current.issuer === client.issuer
  if (actorDepth(current) + (isSame ? 0 : 1) > maxDepth) {
    return fail(tokenError('invalid_request', 'the chain of actors is too deep'))
  }
  if (prior === undefined) return ok({ sub: client.id, iss: client.issuer })
  return ok(isSame ? prior : { sub: client.id, iss: client.issuer, act: prior })
}
