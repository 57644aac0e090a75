import type { SubjectKind } from '../../model/subject-kind.ts'
import { formatScope, type ScopeSet } from '../../oauth/scope-set.ts'

/** Who is the current actor of a token: nobody, a client of the token service, a person, or anybody at all. */
export type TokenActor = { readonly client: string } | 'nobody' | 'person' | 'anybody'

/**
 * Tokens that are alike in everything that decides where they can go. Of what is not known, every value is possible: scope is
 * between what each of them holds and what they hold at most.
 */
export interface TokenClass {
  readonly issuer: string
  /** Undefined: any. */
  readonly audience: string | undefined
  /** The client that it was issued to; undefined: any. */
  readonly client: string | undefined
  readonly actor: TokenActor
  /** What each of them holds. */
  readonly least: ScopeSet
  /** What they hold at most; undefined: anything. */
  readonly most: ScopeSet | undefined
  readonly kinds: readonly SubjectKind[]
  /** Who vouched for the subject in the first place. */
  readonly origin: string
}

const keys = new WeakMap<TokenClass, string>()

/** The same text for the same class, and for no other. */
export function tokenKey(token: TokenClass): string {
  let key = keys.get(token)
  if (key === undefined) {
    key = writeKey(token)
    keys.set(token, key)
  }
  return key
}

function writeKey(token: TokenClass): string {
  const { issuer, audience, client, actor, least, most, kinds, origin } = token
  const who = typeof actor === 'object' ? ['client', actor.client] : [actor]
  return JSON.stringify([
    issuer,
    audience ?? null,
    client ?? null,
    who,
    formatScope(least),
    most === undefined ? null : formatScope(most),
    kinds,
    origin,
  ])
}

/** Whether two classes have the same current actor, who then is not nested into itself. */
export function isSameActor(a: TokenActor, b: TokenActor): boolean {
  if (typeof a === 'object' && typeof b === 'object') return a.client === b.client
  // Two people may be one.
  return a === 'person' && b === 'person'
}
