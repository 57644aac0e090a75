import type { Clock } from '../../base/clock.ts'
import { fail, type MaybePromise, type Result } from '../../base/result.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import { subjectKind } from '../../model/subject-kind.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { VerifyTransactionToken } from '../../tokens/transaction-token.ts'

/** Verifies the Transaction Token that came along with a token. */
export type AuthenticateTransaction = (
  presented: string,
  token: VerifiedToken,
) => MaybePromise<Result<VerifiedToken, Refusal>>

/**
 * A part of the second stage: the context that came along (draft-ietf-oauth-transaction-tokens §7). It is no credential, and
 * says nothing about who calls; a user's own token must be about the same subject, so that nobody's request carries the
 * context of somebody else. What passes is handed on as it is.
 *
 * @param verify undefined where no Transaction Tokens are taken; `accept` drops the field then
 */
export function createAuthenticateTransaction(
  verify: VerifyTransactionToken | undefined,
  clock: Clock,
): AuthenticateTransaction {
  return (presented, token) => {
    if (verify === undefined) return fail(refusal('token.invalid', 'Transaction Tokens are not taken here'))
    const verified = verify(presented, clock.now())
    return verified instanceof Promise
      ? verified.then(result => checkSubject(result, token))
      : checkSubject(verified, token)
  }
}

function checkSubject(
  verified: Result<VerifiedToken, Refusal>,
  token: VerifiedToken,
): Result<VerifiedToken, Refusal> {
  if (!verified.ok || subjectKind(token) === 'machine') return verified
  return verified.value.subject === token.subject
    ? verified
    : fail(refusal('token.invalid', 'Transaction Token: it is about another subject than the token'))
}
