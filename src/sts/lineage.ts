import { sha256Base64Url } from '../base/digest.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { VerifiedToken } from '../model/verified-token.ts'

/**
 * Stands for one issued token where it is revoked and where others were exchanged from it: the first 96 bits of the
 * SHA-256 of its `jti`. Who reads one learns no `jti`.
 */
export type TokenMark = string

const markCharacters = 16
const mostAncestors = 32
const lineageSyntax = new RegExp(`^(?:[\\w-]{${markCharacters}}){1,${mostAncestors}}$`)

/** The mark of the token with this `jti`. */
export function tokenMark(tokenId: string): TokenMark {
  return sha256Base64Url(tokenId).slice(0, markCharacters)
}

/**
 * Makes the `lineage` claim of a token that is issued for others: the marks of all tokens of this service that it
 * descends from, oldest first, without anything between them.
 *
 * Whoever revokes a token revokes what was exchanged from it, directly and by further exchanges, and nothing that it was
 * exchanged from. A token names its ancestors, so one entry in the store of revoked tokens is enough for all
 * descendants, those included that are being issued at that moment; nothing needs to be remembered of a token when it is
 * issued. A token from elsewhere has no ancestors here: the first token that is exchanged from it has no `lineage`, and
 * each further exchange costs 16 characters.
 *
 * @returns undefined when there are no ancestors; the error when there are more than 32, or one cannot be named
 */
export function formatLineage(
  parents: readonly VerifiedToken[],
  ownIssuer: string,
): Result<string | undefined, string> {
  const marks = new Set<TokenMark>()
  for (const parent of parents) {
    if (parent.issuer !== ownIssuer) continue
    const family = readMarks(parent.claims)
    if (family === undefined) return fail('the lineage of the subject token is unreadable')
    for (const mark of family) marks.add(mark)
  }
  if (marks.size > mostAncestors) return fail('the subject token comes from too many exchanges')
  return ok(marks.size === 0 ? undefined : [...marks].join(''))
}

/**
 * The marks of a token of this service and of all its ancestors, itself last: it is revoked when one of them is.
 *
 * @returns undefined when the claims do not say, and then the token must count as revoked
 */
export function readMarks(claims: Readonly<Record<string, unknown>>): readonly TokenMark[] | undefined {
  const { jti, lineage = '' } = claims
  if (typeof jti !== 'string' || jti === '' || typeof lineage !== 'string') return undefined
  if (lineage !== '' && !lineageSyntax.test(lineage)) return undefined
  const ancestors = lineage.match(new RegExp(`.{${markCharacters}}`, 'g')) ?? []
  return [...ancestors, tokenMark(jti)]
}
