import type { EpochSeconds } from '../../base/clock.ts'
import { formatDuration } from '../../base/duration-text.ts'
import { fail, type Result } from '../../base/result.ts'
import type { Secret } from '../../base/secret.ts'
import type { IssuerRules, KeySource } from '../../config/sidecar-config.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import { subjectKind } from '../../model/subject-kind.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { Fact } from '../../review/explanation.ts'
import { type CompactJws, readCompactJws } from '../../tokens/compact-jws.ts'
import { describeValue } from '../../tokens/describe-value.ts'
import { createTokenVerifiers } from '../../tokens/token-verifiers.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import type { RehearsalKeys } from '../rehearsal/rehearsal-keys.ts'

export interface TokenExplainer {
  readonly issuers: readonly IssuerRules[]
  readonly tokenBytes: number
  /** Verifies with the keys that the configuration names. */
  readonly verifier: Verifier
  /** Stand in for the issuers' when these are not asked for, or cannot be had. */
  readonly keys: RehearsalKeys
  /** Whether signatures are looked at. */
  readonly verify: boolean
  readonly now: EpochSeconds
}

/** What became of a token, and what was seen of it. */
export interface ExplainedToken {
  readonly verified: Result<VerifiedToken, Refusal>
  readonly facts: readonly Fact[]
  /** Why nobody can be sure of what the token says; undefined when it was verified, or refused. */
  readonly unproven: string | undefined
}

/**
 * Verifies a token as a sidecar does. Where the signature cannot or shall not be verified, its claims are signed anew with a
 * key that stands in for the issuer's, so that every other check is still made, and what comes of it is unproven.
 *
 * @param name for the facts: `token` or `actor token`
 */
export async function explainToken(
  presented: Secret,
  name: string,
  explainer: TokenExplainer,
): Promise<ExplainedToken> {
  const { issuers, tokenBytes, verifier, keys, verify, now } = explainer
  const text = presented.expose()
  const read = readCompactJws(text, tokenBytes)
  if (!read.ok)
    return { verified: fail(refusal('token.invalid', read.error)), facts: [], unproven: undefined }
  const issuer = issuers.find(rules => rules.issuer === read.value.claims['iss'])
  const facts = describeToken(read.value, issuer, name, now)
  if (verify) {
    const verified = await verifier.verify(text, now)
    if (verified.ok) {
      return { verified, facts: [...facts, ...verifiedFacts(verified.value, name)], unproven: undefined }
    }
    if (verified.error.code !== 'token.keys_unavailable') return { verified, facts, unproven: undefined }
  }
  const why = verify
    ? `the keys of ${read.value.claims['iss']} could not be had, so the signature of the ${name} was not verified`
    : `the signature of the ${name} was not verified (--no-verify)`
  const verified = await verifyClaims(read.value, issuers, keys, now)
  return {
    verified,
    facts: [
      ...facts,
      { name: `${name}: signature`, value: 'not verified' },
      ...(verified.ok ? describeSubject(verified.value, name) : []),
    ],
    unproven: why,
  }
}

/** Every check but those of the signature and its header. */
async function verifyClaims(
  { claims }: CompactJws,
  issuers: readonly IssuerRules[],
  keys: RehearsalKeys,
  now: EpochSeconds,
): Promise<Result<VerifiedToken, Refusal>> {
  const verifiers = createTokenVerifiers(issuers.map(keys.standIn), keys.dependencies(now))
  try {
    return await verifiers.jwt.verify(keys.sign(claims), now)
  } finally {
    verifiers.close()
  }
}

function describeToken(
  { header, claims }: CompactJws,
  issuer: IssuerRules | undefined,
  name: string,
  now: EpochSeconds,
): readonly Fact[] {
  const { algorithm, type, keyId } = header
  const kid = keyId === undefined ? 'without kid' : `kid ${describeValue(keyId)}`
  return [
    { name, value: { ...claims } },
    { name: `${name}: header`, value: `typ ${describeValue(type)}, alg ${describeValue(algorithm)}, ${kid}` },
    {
      name: `${name}: issuer`,
      value:
        issuer === undefined
          ? `${describeValue(claims['iss'])} is not among the configured ones`
          : [
              `${issuer.issuer} is configured`,
              `aud must name ${issuer.audience.join(' or ')}`,
              `typ must be ${issuer.types.join(' or ')}, alg ${issuer.algorithms.join(' or ')}`,
              `keys from ${describeKeys(issuer.keys)}`,
            ],
    },
    { name: `${name}: life`, value: describeLife(claims['exp'], now) },
  ]
}

function verifiedFacts(token: VerifiedToken, name: string): readonly Fact[] {
  return [{ name: `${name}: signature`, value: 'verified' }, ...describeSubject(token, name)]
}

function describeSubject(token: VerifiedToken, name: string): readonly Fact[] {
  return [{ name: `${name}: subject`, value: `${token.subject}, a ${subjectKind(token)}` }]
}

function describeKeys(keys: KeySource): string {
  switch (keys.kind) {
    case 'discovery':
      return "the issuer's metadata"
    case 'jwks_uri':
      return keys.uri.href
    case 'file':
      return keys.file
    case 'inline':
      return 'the configuration'
  }
}

function describeLife(exp: unknown, now: EpochSeconds): string {
  if (typeof exp !== 'number') return 'without exp'
  const left = Math.floor(exp - now)
  return left < 0 ? `ended ${formatDuration(-left)} ago` : `ends in ${formatDuration(left)}`
}
