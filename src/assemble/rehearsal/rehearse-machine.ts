import type { EpochSeconds } from '../../base/clock.ts'
import type { AskedQuestion } from '../../config/policy-suite.ts'
import { parseScope } from '../../oauth/scope-set.ts'
import { createPolicy } from '../../policy/policy.ts'
import { denied, type Outcome } from '../../review/outcome.ts'
import { createRehearsalExchange } from './rehearsal-exchange.ts'
import type { RehearsalKeys } from './rehearsal-keys.ts'
import type { RehearsedSidecar } from './rehearse.ts'

/** A client asks the token service for a token for itself: the policy decides, and the token service issues. */
export async function rehearseMachine(
  { exchange: config, sts, policy, environment }: RehearsedSidecar,
  { audience, scope, caseId }: Pick<AskedQuestion, 'audience' | 'scope' | 'caseId'>,
  now: EpochSeconds,
  keys: RehearsalKeys,
): Promise<Outcome> {
  if (policy !== undefined) {
    const decision = createPolicy(policy, config.server).decide({
      mode: 'machine',
      client: config.client.id,
      audience,
      scope,
      subject: undefined,
      actorToken: undefined,
      context: { now, caseId, environment, approval: undefined },
    })
    if (decision.effect === 'deny') return { ...denied, rule: decision.rule, reason: decision.reason }
  }
  const clock = { now: () => now, monotonicMs: () => 0 }
  await using exchange = createRehearsalExchange({ exchange: config, sts, keys, clock, approvals: undefined })
  const event = await exchange.askForItself(audience, scope)
  const rule = event?.decision?.rule
  if (event?.kind !== 'issued' || event.subject === undefined) {
    const said = event?.detail ?? 'it recorded nothing'
    return { ...denied, rule, reason: `the token service: ${said}` }
  }
  return {
    ...denied,
    decision: 'permit',
    rule,
    granted: {
      mode: 'machine',
      subject: event.subject,
      audience,
      scope: parseScope(event.scope ?? '') ?? scope,
      lifeSeconds: (event.expiresAt ?? now) - now,
      act: event.actors,
    },
  }
}
