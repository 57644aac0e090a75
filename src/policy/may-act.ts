import { isJsonObject } from '../base/strict-json.ts'

/** A party that acts, as `may_act` can name it. */
export interface NamedParty {
  /** `sub`: a person's, or a client's id at its token service. */
  readonly id: string
  readonly issuer: string
  /** Of a person's token. A client is its own. */
  readonly clientId?: string | undefined
}

const members: ReadonlySet<string> = new Set(['sub', 'iss', 'client_id'])

/**
 * Whether `may_act` (RFC 8693 §4.4), where the subject token has it, names this party. Every member must match; a member
 * that cannot be compared may well be the one that excludes it, so it refuses.
 */
export function isNamedByMayAct(claim: unknown, party: NamedParty): boolean {
  if (claim === undefined) return true
  if (!isJsonObject(claim) || !Object.keys(claim).every(name => members.has(name))) return false
  const { sub, iss, client_id: clientId } = claim
  if (sub === undefined && clientId === undefined) return false
  return (
    (sub === undefined || sub === party.id) &&
    (clientId === undefined || clientId === (party.clientId ?? party.id)) &&
    (iss === undefined || iss === party.issuer)
  )
}
