import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Secret } from '../base/secret.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { createRedisApprovalStore, type RedisApprovalStore } from '../sts/redis-approval-store.ts'

/** Opens the store of approvals, where the policy has approvers and there is a Redis to keep what they approve. */
export function openApprovals(
  policy: PolicyDocument | undefined,
  redis: Secret | undefined,
  { timeoutMs, log, clock }: { readonly timeoutMs: number; readonly log: Log; readonly clock: Clock },
): RedisApprovalStore | undefined {
  if (policy === undefined || policy.approvers.size === 0 || redis === undefined) return undefined
  return createRedisApprovalStore({ url: redis, timeoutMs, approvers: policy.approvers, log }, clock)
}
