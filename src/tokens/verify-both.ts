import type { Clock, EpochSeconds } from '../base/clock.ts'
import { fail, type MaybePromise, ok, type Result } from '../base/result.ts'
import type { JsonObject } from '../base/strict-json.ts'
import { type Refusal, refusal } from '../model/refusal.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { agreeOn } from './agreement.ts'
import type { AskedIssuer, IntrospectionAnswer, IntrospectionAnswers } from './introspection-answers.ts'
import type { Verifier } from './verifier.ts'

export interface AgreeingVerifierDependencies {
  /** Verifies signature and claims. */
  readonly jwt: Verifier
  readonly answers: IntrospectionAnswers
  readonly clock: Clock
}

type Verified = Result<VerifiedToken, Refusal>

/**
 * A verifier for JWTs that takes nobody's word alone: signature and claims first, as they cost nobody else anything,
 * then the issuer is asked (RFC 7662), and what it says must agree with the token.
 */
export function createAgreeingVerifier(
  issuers: readonly AskedIssuer[],
  { jwt, answers, clock }: AgreeingVerifierDependencies,
): Verifier {
  const byName = new Map(issuers.map(issuer => [issuer.rules.issuer, issuer]))
  // An answer is about one text, which is the same token however often it is verified.
  const agreed = new WeakMap<IntrospectionAnswer, Verified>()

  const conclude = (token: VerifiedToken, answer: IntrospectionAnswer): Verified => {
    if (answer.claims === undefined) return refuse('the issuer says that the token is not active')
    const known = agreed.get(answer)
    if (known !== undefined) return known
    const verified = compare(token, answer.claims, answer.issuer)
    agreed.set(answer, verified)
    return verified
  }

  const ask = (presented: string, token: VerifiedToken, now: EpochSeconds): MaybePromise<Verified> => {
    const issuer = byName.get(token.issuer)
    if (issuer === undefined) return refuse('the issuer of the token cannot be asked')
    const answered = answers.find(presented, issuer, now)
    if (!(answered instanceof Promise)) return answered.ok ? conclude(token, answered.value) : answered
    return answered.then(answer => {
      if (!answer.ok) return answer
      // The token was verified before its issuer took its time.
      return clock.now() < token.expiresAt + issuer.rules.leewaySeconds
        ? conclude(token, answer.value)
        : refuse('expired')
    })
  }

  return {
    recall(presented, now) {
      const local = jwt.recall(presented, now)
      if (local === undefined || !local.ok) return local
      const answer = answers.recall(presented, now)
      return answer && conclude(local.value, answer)
    },
    verify(presented, now) {
      const use = (local: Verified): MaybePromise<Verified> =>
        local.ok ? ask(presented, local.value, now) : local
      const local = jwt.verify(presented, now)
      return local instanceof Promise ? local.then(use) : use(local)
    },
  }
}

function compare(token: VerifiedToken, members: JsonObject, { rules }: AskedIssuer): Verified {
  const agreement = agreeOn(token, members, rules)
  return agreement.ok ? ok(agreement.value) : refuse(agreement.error)
}

function refuse(detail: string): Result<never, Refusal> {
  return fail(refusal('token.invalid', detail))
}
