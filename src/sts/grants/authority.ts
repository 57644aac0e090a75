import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { ExchangeMode } from '../../oauth/exchange-mode.ts'
import type { ScopeSet } from '../../oauth/scope-set.ts'
import type { Policy } from '../../policy/policy.ts'
import { type TokenError, tokenError } from '../token-error.ts'

/** What decides besides the clients' own configuration. */
export interface Authority {
  /** Undefined: the clients' own configuration is all there is. */
  readonly policy: Policy | undefined
  /** Where this runs, for the policy. */
  readonly environment: string | undefined
}

/** What a grant wants to know. */
export interface AuthorityQuestion {
  readonly mode: ExchangeMode
  readonly client: string
  readonly audience: string
  readonly scope: ScopeSet
  readonly subject: VerifiedToken | undefined
  readonly caseId?: string | undefined
  readonly now: EpochSeconds
}

/** Bounds of a permit. */
export interface Permission {
  readonly ttlSeconds?: number
  readonly notAfter?: EpochSeconds
}

const unbounded: Permission = Object.freeze({})

/**
 * Asks the policy, where there is one. A permit for another mode, or for less scope than is asked for, is none. The client
 * learns that it may not; the record holds the policy's own words.
 */
export function askPolicy(
  { policy, environment }: Authority,
  { caseId, now, ...question }: AuthorityQuestion,
): Result<Permission, TokenError> {
  if (policy === undefined) return ok(unbounded)
  const decision = policy.decide({
    ...question,
    actorToken: undefined,
    context: { now, caseId, environment, approval: undefined },
  })
  if (decision.effect === 'deny') return deny(decision.reason)
  const { mode = question.mode, scope = question.scope } = decision
  if (mode !== question.mode || !question.scope.every(one => scope.includes(one))) {
    return deny('the permit is for something else')
  }
  return ok(decision)
}

function deny(reason: string): Result<never, TokenError> {
  return fail(tokenError('invalid_target', 'the policy does not permit this', `policy: ${reason}`))
}
