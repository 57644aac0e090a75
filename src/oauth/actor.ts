import { isJsonObject } from '../base/strict-json.ts'

/**
 * Who acts for the subject: the `act` claim (RFC 8693 §4.1). The outermost actor is the current one and the only one
 * that authorisation may look at; the nested ones are the history, for the audit trail.
 */
export interface Actor {
  readonly subject: string
  readonly issuer?: string
  readonly clientId?: string
  /** The actor before this one. */
  readonly actor?: Actor
}

const nobody: readonly string[] = Object.freeze([])

/** The subjects of a chain, current actor first. */
export function actorSubjects(actor: Actor | undefined): readonly string[] {
  if (actor === undefined) return nobody
  // A list that grows has room for sixteen more, and every cached token holds one.
  if (actor.actor === undefined) return [actor.subject]
  const subjects: string[] = []
  for (let current: Actor | undefined = actor; current !== undefined; current = current.actor)
    subjects.push(current.subject)
  return subjects
}

/** An `act` claim as it names a chain in a record: nothing but subjects. */
export interface NestedSubjects {
  readonly sub: string
  readonly act?: NestedSubjects
}

/** Nests subjects, current actor first, as in the claim, where the current actor is outermost. Undefined for none. */
export function nestSubjects(subjects: readonly string[]): NestedSubjects | undefined {
  return subjects.reduceRight<NestedSubjects | undefined>(
    (prior, sub) => (prior === undefined ? { sub } : { sub, act: prior }),
    undefined,
  )
}

/** How many actors the chain holds. */
export function actorDepth(actor: Actor | undefined): number {
  return actorSubjects(actor).length
}

/**
 * Reads an `act` claim. The answer is undefined when the claim is not well formed or deeper than `maxDepth`:
 * callers must then refuse the token, never go on without the actor.
 */
export function parseActor(claim: unknown, maxDepth: number): Actor | undefined {
  if (maxDepth < 1 || !isJsonObject(claim)) return undefined
  const { sub, iss, client_id: clientId, act } = claim
  if (typeof sub !== 'string' || sub === '') return undefined
  if (iss !== undefined && typeof iss !== 'string') return undefined
  if (clientId !== undefined && typeof clientId !== 'string') return undefined
  const prior = act === undefined ? undefined : parseActor(act, maxDepth - 1)
  if (act !== undefined && prior === undefined) return undefined
  return {
    subject: sub,
    ...(iss !== undefined && { issuer: iss }),
    ...(clientId !== undefined && { clientId }),
    ...(prior !== undefined && { actor: prior }),
  }
}
