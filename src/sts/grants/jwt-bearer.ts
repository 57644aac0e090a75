import { fail, ok, type Result } from '../../base/result.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import type { Refusal } from '../../model/refusal.ts'
import { subjectKind } from '../../model/subject-kind.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { actorSubjects } from '../../oauth/actor.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { intersectScope } from '../../oauth/scope-set.ts'
import { isNamedByMayAct } from '../../policy/may-act.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import type { Grant } from '../grant.ts'
import type { ReplayStore } from '../replay-store.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenForm } from '../token-form.ts'
import { accessTokenFormat } from '../token-format.ts'
import { noFacts, type TokenFacts } from '../token-service-event.ts'
import type { Denial } from './authority.ts'
import type { ActorBudget } from './delegation.ts'
import { chooseTarget, type ExchangeTarget, exchangeTargets } from './exchange-parameters.ts'
import {
  describeDelegation,
  type PermittedDelegation,
  permitDelegation,
  refuseDelegation,
  refuseWith,
} from './permit-delegation.ts'
import type { IssuanceRules } from './permit-issuance.ts'
import { readRequestedScope } from './requested-scope.ts'
import { useOnce } from './use-once.ts'

export interface JwtBearerOptions extends IssuanceRules {
  /** Verifies assertions, see `createAssertionVerifier`. */
  readonly verifier: Verifier
  readonly replay: ReplayStore
  readonly clients: readonly StsClient[]
  readonly budget: ActorBudget
}

/** No issuer's rules may accept an assertion for longer after its end; as long a used one is remembered. */
const longestLeewaySeconds = 300

/**
 * JWT bearer assertions as grants (RFC 7523 §2.1, RFC 10070): a trusted issuer vouches for a subject, and the client gets a
 * token for that subject in which it is the actor. An assertion is good once, and for no other client than the one that
 * it names. It only narrows: an assertion without scope grants none, as a subject token does.
 */
export function createJwtBearerGrant(options: JwtBearerOptions): Grant {
  const targetsOf = new Map(
    options.clients.map(client => [client.id, exchangeTargets(client, options.policy?.document)]),
  )
  return {
    grantType: grantType.jwtBearer,
    isImplied: false,
    async authorize({ form, now }, client) {
      const target = chooseTarget(form, targetsOf.get(client.id) ?? new Map())
      const facts: TokenFacts = {
        ...noFacts,
        client: client.id,
        audience: target.ok ? target.value.audience : undefined,
      }
      const presented = form.one('assertion')
      if (presented === undefined) {
        return fail({ error: tokenError('invalid_request', 'assertion is missing'), facts })
      }
      if (!target.ok) return fail({ error: target.error, facts })
      const assertion = await options.verifier.verify(presented, now)
      if (!assertion.ok) return fail({ error: unacceptable(assertion.error), facts })
      const known: TokenFacts = {
        ...facts,
        subject: assertion.value.subject,
        issuer: assertion.value.issuer,
        subjectFingerprint: assertion.value.fingerprint,
        subjectKind: subjectKind(assertion.value),
        subjectActors: actorSubjects(assertion.value.actor),
        actors: actorSubjects(assertion.value.actor),
      }
      const permitted = await permit(options, client, target.value, { form, assertion: assertion.value, now })
      if (!permitted.ok) return refuseWith(known, permitted.error)
      // Last, so that an attempt that is refused for another reason uses nothing up.
      const used = await useAssertion(options, assertion.value)
      if (!used.ok) return fail({ error: used.error, facts: known })
      const { decision: _, ...granted } = permitted.value
      return ok({
        ...granted,
        derivedFrom: [assertion.value],
        format: accessTokenFormat,
        issuedTokenType: undefined,
        facts: describeDelegation(known, permitted.value),
      })
    },
  }
}

async function permit(
  options: JwtBearerOptions,
  client: StsClient,
  target: ExchangeTarget,
  {
    form,
    assertion,
    now,
  }: { readonly form: TokenForm; readonly assertion: VerifiedToken; readonly now: number },
): Promise<Result<PermittedDelegation, Denial>> {
  const acting = { id: client.id, issuer: options.issuer }
  if (assertion.clientId !== undefined && assertion.clientId !== client.id) {
    return refuseDelegation(tokenError('invalid_grant', 'the assertion is for another client'))
  }
  if (!isNamedByMayAct(assertion.claims['may_act'], acting)) {
    return refuseDelegation(tokenError('invalid_grant', 'may_act of the assertion names another actor'))
  }
  const scope = readRequestedScope(form, intersectScope(assertion.scope, target.scope))
  if (!scope.ok) return refuseDelegation(scope.error)
  const { audience, ttlSeconds } = target
  const delegation = { client: client.id, audience, scope: scope.value, subject: assertion, ttlSeconds, now }
  return permitDelegation(options, delegation)
}

function useAssertion(
  { issuer, replay }: JwtBearerOptions,
  assertion: VerifiedToken,
): Promise<Result<void, TokenError>> | Result<never, TokenError> {
  const { tokenId, expiresAt } = assertion
  if (tokenId === undefined) return fail(tokenError('invalid_grant', 'the assertion has no jti'))
  const used = tokenError('invalid_grant', 'the assertion was used before')
  return useOnce(
    replay,
    ['jwt-bearer', issuer, assertion.issuer, tokenId],
    expiresAt + longestLeewaySeconds,
    used,
  )
}

/** RFC 7521 §4.1.1. The client may try again when only the issuer's keys could not be fetched. */
function unacceptable(refusal: Refusal): TokenError {
  const detail = `assertion: ${refusal.detail}`
  return refusal.code === 'token.keys_unavailable'
    ? tokenError('temporarily_unavailable', 'try again', detail)
    : tokenError('invalid_grant', 'the assertion is not acceptable', detail)
}
