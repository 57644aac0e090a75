import type { EpochSeconds } from '../../base/clock.ts'
import { formatDuration } from '../../base/duration-text.ts'
import { fail, type MaybePromise, type Result } from '../../base/result.ts'
import type { Secret } from '../../base/secret.ts'
import type { IssuerRules, KeySource } from '../../config/sidecar-config.ts'
import { createAuthenticateActor } from '../../hop/authenticate/authenticate-actor.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ProtectedRoute } from '../../model/route.ts'
import { subjectKind } from '../../model/subject-kind.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { Fact } from '../../review/explanation.ts'
import { type CompactJws, readCompactJws } from '../../tokens/compact-jws.ts'
import { describeValue } from '../../tokens/describe-value.ts'
import { createTokenVerifiers } from '../../tokens/token-verifiers.ts'
import type { RehearsalKeys } from '../rehearsal/rehearsal-keys.ts'

export interface TokenExplainer {
  readonly issuers: readonly IssuerRules[]
  readonly tokenBytes: number
  /** Stand in for the issuers' when these are not asked for, or cannot be had. */
  readonly keys: RehearsalKeys
  /** The route that the tokens are for, which takes the signature for proof. */
  readonly route: ProtectedRoute
  readonly now: EpochSeconds
}

/** A token of a request, and the stage that it is for. */
export interface PresentedToken {
  readonly name: 'token' | 'actor token'
  readonly presented: Secret
  /** The stage, with the keys that the configuration names; undefined where signatures are not looked at. */
  readonly authenticate: (() => MaybePromise<Result<VerifiedToken, Refusal>>) | undefined
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
 */
export async function explainToken(
  { name, presented, authenticate }: PresentedToken,
  explainer: TokenExplainer,
): Promise<ExplainedToken> {
  const { issuers, tokenBytes, now } = explainer
  const read = readCompactJws(presented.expose(), tokenBytes)
  const issuer = read.ok ? issuers.find(rules => rules.issuer === read.value.claims['iss']) : undefined
  const facts = read.ok ? describeToken(read.value, issuer, name, now) : []
  const verified = await authenticate?.()
  if (verified?.ok === true) {
    return { verified, facts: [...facts, ...verifiedFacts(verified.value, name)], unproven: undefined }
  }
  if (verified !== undefined && verified.error.code !== 'token.keys_unavailable') {
    return { verified, facts, unproven: undefined }
  }
  if (!read.ok) return { verified: fail(refusal('token.invalid', read.error)), facts, unproven: undefined }
  const claimed = await verifyClaims(read.value, name, explainer)
  return {
    verified: claimed,
    facts: [
      ...facts,
      { name: `${name}: signature`, value: 'not verified' },
      ...(claimed.ok ? describeSubject(claimed.value, name) : []),
    ],
    unproven:
      verified === undefined
        ? `the signature of the ${name} was not verified (--no-verify)`
        : `the keys of ${read.value.claims['iss']} could not be had, so the signature of the ${name} was not verified`,
  }
}

/** Every check but those of the signature and its header. */
async function verifyClaims(
  { claims }: CompactJws,
  name: PresentedToken['name'],
  { issuers, keys, route, now }: TokenExplainer,
): Promise<Result<VerifiedToken, Refusal>> {
  const verifiers = createTokenVerifiers(issuers.map(keys.standIn), keys.dependencies(now))
  const clock = { now: () => now, monotonicMs: () => 0 }
  const text = keys.sign(claims)
  try {
    return await (name === 'token'
      ? verifiers.jwt.verify(text, now)
      : createAuthenticateActor(verifiers, clock)(text, route))
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
