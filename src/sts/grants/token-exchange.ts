import { fail, ok, type Result } from '../../base/result.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import type { Refusal } from '../../model/refusal.ts'
import { subjectKind } from '../../model/subject-kind.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { actorSubjects, parseActor } from '../../oauth/actor.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { emptyScope, formatScope, intersectScope, type ScopeSet } from '../../oauth/scope-set.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import type { Grant } from '../grant.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import { noFacts, type TokenFacts } from '../token-service-event.ts'
import {
  chooseTarget,
  type ExchangeTarget,
  exchangeTargets,
  readExchangeParameters,
} from './exchange-parameters.ts'
import { type IssuanceRules, permitIssuance } from './permit-issuance.ts'
import { isUnavailable } from './presented-subject.ts'

export interface TokenExchangeOptions extends IssuanceRules {
  /** Verifies tokens of every issuer that is accepted, the service itself included. */
  readonly verifier: Verifier
  readonly clients: readonly StsClient[]
}

/**
 * Token exchange (RFC 8693 §2). Delegation: the authenticated client, or the person whose `actor_token` it sends, becomes the
 * actor of a token for the same subject and one audience. Impersonation (`exchange_mode`, a parameter of ours): nobody is
 * named, and only a rule of the policy permits it. It only narrows.
 */
export function createTokenExchangeGrant(options: TokenExchangeOptions): Grant {
  const { clients, policy, verifier } = options
  const targetsOf = new Map(clients.map(client => [client.id, exchangeTargets(client, policy?.document)]))
  return {
    grantType: grantType.tokenExchange,
    isImplied: true,
    async authorize({ form, now }, client) {
      const target = chooseTarget(form, targetsOf.get(client.id) ?? new Map())
      let facts: TokenFacts = {
        ...noFacts,
        client: client.id,
        audience: target.ok ? target.value.audience : undefined,
      }
      const parameters = readExchangeParameters(form)
      if (!parameters.ok) return fail({ error: parameters.error, facts })
      if (!target.ok) return fail({ error: target.error, facts })
      const { subjectToken, actorToken, scope, mode, caseId, issuedTokenType } = parameters.value
      const subject = await verifier.verify(subjectToken, now)
      if (!subject.ok) return fail({ error: unacceptable('subject', subject.error), facts })
      facts = {
        ...facts,
        ...describeSubject(subject.value),
        scope: describeScope(scope, target.value),
        ...(caseId !== undefined && { caseId }),
      }
      const actor = await verifyActor(verifier, actorToken, now)
      if (!actor.ok) return fail({ error: actor.error, facts })
      if (actor.value !== undefined) facts = { ...facts, person: describePerson(actor.value) }
      const permitted = await permitIssuance(options, {
        client,
        target: target.value,
        // Who asks for no scope gets none: a default would be more than was asked for (RFC 6749 §3.3 leaves it to the server).
        scope: scope ?? emptyScope,
        subject: subject.value,
        actorToken: actor.value,
        mode,
        caseId,
        issuedTokenType,
        now,
      })
      if (!permitted.ok) {
        const { error, decision } = permitted.error
        return fail({ error, facts: { ...facts, ...(decision !== undefined && { decision }) } })
      }
      const { issuance, decision } = permitted.value
      return ok({
        ...issuance,
        facts: {
          ...facts,
          scope: formatScope(issuance.scope),
          actors: actorSubjects(parseActor(issuance.actor, Number.POSITIVE_INFINITY)),
          ...(permitted.value.caseId !== undefined && { caseId: permitted.value.caseId }),
          ...(decision !== undefined && { decision }),
        },
      })
    },
  }
}

async function verifyActor(
  verifier: Verifier,
  actorToken: string | undefined,
  now: number,
): Promise<Result<VerifiedToken | undefined, TokenError>> {
  if (actorToken === undefined) return ok(undefined)
  const actor = await verifier.verify(actorToken, now)
  return actor.ok ? actor : fail(unacceptable('actor', actor.error))
}

/** The client may try again when only the issuer's keys could not be fetched, or it could not be asked. */
function unacceptable(which: 'subject' | 'actor', refusal: Refusal): TokenError {
  const detail = `${which} token: ${refusal.detail}`
  return isUnavailable(refusal)
    ? tokenError('temporarily_unavailable', 'try again', detail)
    : tokenError('invalid_request', `the ${which} token is not acceptable`, detail)
}

function describeSubject(token: VerifiedToken): Partial<TokenFacts> {
  return {
    subject: token.subject,
    issuer: token.issuer,
    subjectFingerprint: token.fingerprint,
    subjectKind: subjectKind(token),
    subjectActors: actorSubjects(token.actor),
    actors: actorSubjects(token.actor),
  }
}

function describePerson({ issuer, subject, fingerprint }: VerifiedToken): NonNullable<TokenFacts['person']> {
  return { issuer, subject, fingerprint }
}

/** Of the requested scopes those that are configured: any other text may be anything, a misplaced token included. */
function describeScope(requested: ScopeSet | undefined, target: ExchangeTarget): string | undefined {
  return requested === undefined ? undefined : formatScope(intersectScope(requested, target.scope))
}
