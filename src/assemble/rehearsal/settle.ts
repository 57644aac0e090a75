import type { EpochSeconds } from '../../base/clock.ts'
import type { Authorized } from '../../hop/authorize/authorize.ts'
import type { Refusal } from '../../model/refusal.ts'
import { denied, type Outcome } from '../../review/outcome.ts'
import type { RehearsalExchange } from './rehearsal-exchange.ts'

/** What a refusal comes to. */
export function refused({ code, detail, stepUp }: Refusal, known: Partial<Outcome> = {}): Outcome {
  return { ...denied, reason: detail, refusal: code, stepUp, ...known, decision: 'deny' }
}

/** Exchanges what was permitted, and says what came of it. */
export async function settle(
  { decision, request }: Authorized,
  { exchange, clientId }: Pick<RehearsalExchange, 'exchange' | 'clientId'>,
  now: EpochSeconds,
): Promise<Outcome> {
  const { rule } = decision
  if (!request.ok) {
    const approvers = decision.effect === 'deny' ? decision.approvers : undefined
    return refused(request.error, { rule, approvers })
  }
  const issued = await exchange(request.value)
  if (!issued.ok) return refused(issued.error, { rule })
  // Dual identity takes two tokens, and both must be there.
  if (request.value.mode === 'machine' && request.value.transaction !== undefined) {
    const transaction = await exchange(request.value.transaction)
    if (!transaction.ok) return refused(transaction.error, { rule })
  }
  const { audience, scope, actors, expiresAt } = issued.value
  const { mode } = request.value
  const subject = request.value.mode === 'machine' ? clientId : request.value.subject
  return {
    ...denied,
    decision: 'permit',
    rule,
    granted: { mode, subject, audience, scope, lifeSeconds: expiresAt - now, act: actors },
  }
}
