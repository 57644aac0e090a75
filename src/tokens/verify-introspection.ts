import type { Clock, EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type Refusal, refusal } from '../model/refusal.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { readCompactJws } from './compact-jws.ts'
import { describeValue } from './describe-value.ts'
import { type IntrospectedToken, readIntrospectedToken, signedPart } from './introspected-token.ts'
import type { AskedIssuer, IntrospectionAnswer, IntrospectionAnswers } from './introspection-answers.ts'
import { checkTokenKind } from './token-kind.ts'
import { checkTimes } from './token-times.ts'
import type { Verifier } from './verifier.ts'
import { withholdSecrets } from './withhold-secret.ts'

export interface IntrospectionVerifierDependencies {
  readonly answers: IntrospectionAnswers
  readonly clock: Clock
  /** Longest token that anybody is asked about. */
  readonly tokenBytes: number
}

type Verified = Result<VerifiedToken, Refusal>

/**
 * A verifier that asks the issuer (RFC 7662). A JWT is asked about at the issuer that it names, whose word it is that the
 * token is its own; any other token at the one issuer for such tokens, and never at several, to none of which it may
 * belong. What was found is used again only as long as the issuer's answer is.
 */
export function createIntrospectionVerifier(
  issuers: readonly AskedIssuer[],
  { answers, clock, tokenBytes }: IntrospectionVerifierDependencies,
): Verifier {
  const byName = new Map(issuers.map(issuer => [issuer.rules.issuer, issuer]))
  const forOpaque = issuers.find(({ config }) => config.opaque)
  const issuerOfOpaque: Result<AskedIssuer, Refusal> =
    forOpaque === undefined ? refuse('no issuer is asked about tokens that are no JWT') : ok(forOpaque)
  const found = new WeakMap<IntrospectionAnswer, Result<IntrospectedToken, string>>()

  const conclude = (presented: string, answer: IntrospectionAnswer, now: EpochSeconds): Verified => {
    const { issuer, claims } = answer
    if (claims === undefined) return refuse('the issuer says that the token is not active')
    const known = found.get(answer)
    const read = known ?? readIntrospectedToken(presented, issuer, claims, now)
    if (known === undefined) found.set(answer, read)
    if (!read.ok) return refuse(withholdSecrets(read.error, [presented]))
    const { token, notBefore } = read.value
    const late = checkTimes({ expiresAt: token.expiresAt, notBefore }, issuer.rules.leewaySeconds, now)
    return late === undefined ? ok(token) : refuse(late)
  }

  const recall: Verifier['recall'] = (presented, now) => {
    const answer = answers.recall(presented, now)
    return answer && conclude(presented, answer, now)
  }

  return {
    recall,
    verify(presented, now) {
      if (presented.length > tokenBytes) return refuse(`longer than ${tokenBytes} bytes`)
      const known = recall(presented, now)
      if (known !== undefined) return known
      const issuer = signedPart(presented) === undefined ? issuerOfOpaque : findNamed(presented)
      if (!issuer.ok) return issuer
      const answered = answers.find(presented, issuer.value, now)
      const use = (answer: Result<IntrospectionAnswer, Refusal>): Verified =>
        answer.ok ? conclude(presented, answer.value, clock.now()) : answer
      return answered instanceof Promise ? answered.then(use) : use(answered)
    },
  }

  /** Nothing of an unverified token is believed: a wrong name leads to an issuer that does not know the token. */
  function findNamed(presented: string): Result<AskedIssuer, Refusal> {
    const jws = readCompactJws(presented, tokenBytes)
    if (!jws.ok) return refuse(jws.error)
    const { header, claims } = jws.value
    const issuer = typeof claims.iss === 'string' ? byName.get(claims.iss) : undefined
    if (issuer === undefined) return refuse(`iss ${describeValue(claims.iss)} cannot be asked`)
    const otherKind = checkTokenKind(header.type, claims, issuer.rules.types)
    return otherKind === undefined ? ok(issuer) : refuse(otherKind)
  }
}

function refuse(detail: string): Result<never, Refusal> {
  return fail(refusal('token.invalid', detail))
}
