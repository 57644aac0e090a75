import { fail, ok, type Result } from '../base/result.ts'
import type { JsonObject } from '../base/strict-json.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { actorSubjects, parseActor } from '../oauth/actor.ts'
import { isScopeWithin, parseScope, type ScopeSet } from '../oauth/scope-set.ts'
import { readAudience } from './access-claims.ts'
import { describeValue } from './describe-value.ts'
import { checkIntrospectedKind } from './introspected-token.ts'

/**
 * Compares what an issuer says of an active token with the JWT itself, which was verified. A member that one
 * of them leaves out contradicts nothing, but for actors: who acts must be in the token. One that is in both must be the same. Only scope may
 * be less, since an issuer may tell each resource server its own part (RFC 7662 §2.2): the token then holds no more.
 *
 * @returns the token, or one with less scope; the error names the member
 */
export function agreeOn(
  token: VerifiedToken,
  members: JsonObject,
  { issuer, audience, maxActorDepth }: IssuerRules,
): Result<VerifiedToken, string> {
  const { iss, sub, client_id: clientId, jti, acr, auth_time: authTime, exp, aud, act } = members
  const otherKind = checkIntrospectedKind(members)
  if (otherKind !== undefined) return fail(otherKind)
  if ('cnf' in members) return fail('cnf: a sender-constrained token was presented as a bearer token')
  const other =
    differing('iss', iss, issuer) ??
    differing('sub', sub, token.subject) ??
    differing('client_id', clientId, token.clientId) ??
    differing('jti', jti, token.tokenId) ??
    differing('acr', acr, token.authenticationContext) ??
    differing('auth_time', authTime, token.authenticatedAt) ??
    // Some servers keep whole seconds of what they have signed with a fraction.
    differing('exp', typeof exp === 'number' ? Math.floor(exp) : exp, Math.floor(token.expiresAt))
  if (other !== undefined) return fail(other)
  if (aud !== undefined && !readAudience(aud)?.some(name => audience.includes(name))) {
    return fail('the issuer says that the token is for nobody here')
  }
  if (act !== undefined) {
    const actor = parseActor(act, maxActorDepth)
    const said = actor && actorSubjects(actor)
    if (said?.join('\n') !== actorSubjects(token.actor).join('\n')) {
      return fail('the issuer says another act than the token')
    }
  }
  return narrowScope(token, members)
}

function differing(name: string, said: unknown, own: unknown): string | undefined {
  if (said === undefined || own === undefined || said === own) return undefined
  return `the issuer says ${name} ${describeValue(said)}, and the token another`
}

function narrowScope(token: VerifiedToken, members: JsonObject): Result<VerifiedToken, string> {
  if (members['scope'] === undefined) return ok(token)
  const scope = typeof members['scope'] === 'string' ? parseScope(members['scope']) : undefined
  if (scope === undefined) return fail('scope is malformed')
  if (!isScopeWithin(scope, token.scope)) return fail('the issuer says more scope than the token')
  return ok(isScopeWithin(token.scope, scope) ? token : withScope(token, scope))
}

function withScope(token: VerifiedToken, scope: ScopeSet): VerifiedToken {
  return Object.freeze({ ...token, tokenType: token.tokenType, claims: token.claims, scope })
}
