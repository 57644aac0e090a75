import { fail, ok, type Result } from '../../base/result.ts'
import { isJsonObject } from '../../base/strict-json.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { Actor } from '../../oauth/actor.ts'
import { type TokenError, tokenError } from '../token-error.ts'

/** Who acts: a client of the token service, or a person with a token of their own. */
export interface NewActor {
  readonly id: string
  /** The token service's own issuer identifier for a client, who vouches for the person else. */
  readonly issuer: string
  /** What later hops may want to know of a person: tenant and roles. */
  readonly membership?: Readonly<Record<string, unknown>>
}

/** How long and how round a chain of actors may be. */
export interface ActorBudget {
  readonly maxActorDepth: number
  /** Bytes of the claim as JSON: tokens travel in headers, and headers have limits. */
  readonly maxActorBytes: number
  /** How often one actor may be in the chain. */
  readonly maxActorVisits: number
}

/**
 * Builds the `act` claim (RFC 8693 §4.1): the new actor outermost, the subject token's chain inside it as it came, with
 * members that are not known here. Who is the current actor already is not nested into itself; what is said of the outermost
 * actor is this service's own word then too, since rules at later hops go by its tenant and roles.
 */
export function nestActor(
  token: VerifiedToken,
  { id, issuer, membership }: NewActor,
  budget: ActorBudget,
): Result<Readonly<Record<string, unknown>>, TokenError> {
  const prior = token.claims['act']
  const current = token.actor
  if (prior !== undefined && (current === undefined || !isJsonObject(prior))) {
    return refuse('the subject token has an unreadable act claim')
  }
  const isSame = current?.subject === id && current.issuer === issuer
  const before = prior !== undefined && isSame ? prior['act'] : prior
  const nested = { sub: id, iss: issuer, ...membership, ...(before !== undefined && { act: before }) }
  const chain = chainOf(current)
  if (chain.length + (isSame ? 0 : 1) > budget.maxActorDepth) return refuse('the chain of actors is too deep')
  const visits = chain.filter(actor => actor.subject === id && actor.issuer === issuer).length
  if (visits + (isSame ? 0 : 1) > budget.maxActorVisits) return refuse('the chain of actors goes in a circle')
  if (Buffer.byteLength(JSON.stringify(nested)) > budget.maxActorBytes) {
    return refuse('the chain of actors is too long')
  }
  return ok(nested)
}

function chainOf(actor: Actor | undefined): readonly Actor[] {
  const chain: Actor[] = []
  for (let current = actor; current !== undefined; current = current.actor) chain.push(current)
  return chain
}

function refuse(description: string): Result<never, TokenError> {
  return fail(tokenError('invalid_request', description))
}
