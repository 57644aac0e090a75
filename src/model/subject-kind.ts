import type { VerifiedToken } from './verified-token.ts'

/** What a subject is: somebody, or a program that acts for itself. */
export type SubjectKind = 'user' | 'machine'

/** A token may read its claims anew each time, and every hop asks. */
const remembered = new WeakMap<VerifiedToken, SubjectKind>()

/**
 * What a subject is. A client that acts for itself is its own subject (RFC 9068 §5); a token that was exchanged for it
 * says so in `subject_kind`, since its `client_id` is another one. A subject for whom somebody acts is no machine only
 * because the client of that exchange happens to bear the same name.
 */
export function subjectKind(token: VerifiedToken): SubjectKind {
  if (token.subject === token.clientId && token.actor === undefined) return 'machine'
  let kind = remembered.get(token)
  if (kind === undefined) {
    kind = token.claims['subject_kind'] === 'machine' ? 'machine' : 'user'
    remembered.set(token, kind)
  }
  return kind
}
