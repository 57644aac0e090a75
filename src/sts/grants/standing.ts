import { fail, ok, type Result } from '../../base/result.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { readMarks } from '../lineage.ts'
import { type RevocationStore, RevocationStoreError } from '../revocation-store.ts'
import { type TokenError, tokenError } from '../token-error.ts'

/**
 * Asks whether what this service issued earlier still stands, when it comes back to be used: a ticket, or a Transaction
 * Token that is to be replaced. It does not when it was revoked, or a token that it descends from. This is the one place
 * where a lockout of the subject or of an actor is to be asked for as well. A store that does not answer is a no.
 */
export async function checkStanding(
  token: Pick<VerifiedToken, 'claims'>,
  revocations: RevocationStore,
): Promise<Result<void, TokenError>> {
  const marks = readMarks(token.claims)
  try {
    if (marks !== undefined && !(await revocations.isRevoked(marks))) return ok(undefined)
  } catch (cause) {
    if (!(cause instanceof RevocationStoreError)) throw cause
    return fail(tokenError('temporarily_unavailable', 'try again', cause.message))
  }
  return fail(tokenError('invalid_request', 'the subject token is not acceptable', 'subject token: revoked'))
}
