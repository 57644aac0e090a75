import { type Clock, systemClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { Secret } from '../base/secret.ts'
import { formatScope, isScopeWithin, parseScope } from '../oauth/scope-set.ts'
import type { ApprovedOccasion } from '../policy/approval.ts'
import { scopeAt } from '../policy/candidates.ts'
import type { Approval, PolicyDocument } from '../policy/document.ts'
import { readApproval, signApproval } from '../sts/approval-token.ts'
import { createRedisApprovalStore } from '../sts/redis-approval-store.ts'
import { createClientKeyFile } from '../tokens/client-key-file.ts'

/** What `hopgate approve` is told. */
export interface ApproveOptions {
  readonly policy: PolicyDocument
  readonly redis: Secret
  readonly approver: string
  /** File with the approver's private JWK. */
  readonly key: string
  readonly occasion: Omit<ApprovedOccasion, 'scope'>
  /** What may be asked for at most, as one text with blanks between. */
  readonly scope: string
  readonly lifeSeconds: number
  readonly clock?: Clock
}

const timeoutMs = 3_000

/**
 * Signs an approval and stores it. What nobody could use is refused here already: an approver whom the policy does not
 * know or whose key is another, a person who approves their own doing, an audience, a mode
 * or a scope that no rule asks an approval for.
 */
export async function approve(options: ApproveOptions): Promise<Result<Approval, string>> {
  const { policy, approver, clock = systemClock } = options
  const scope = parseScope(options.scope)
  if (scope === undefined) return fail('the scope is not readable')
  const occasion = { ...options.occasion, scope }
  const useless = findObstacle(policy, approver, occasion)
  if (useless !== undefined) return fail(useless)
  const key = await createClientKeyFile(options.key).read()
  if (!key.ok) return key
  const now = clock.now()
  const text = signApproval(key.value, approver, occasion, now, options.lifeSeconds)
  const approval = readApproval(text, policy.approvers, now)
  if (!approval.ok) return fail(`the key is not one that the policy has for ${approver} (${approval.error})`)
  return withStore(options, async store => {
    await store.put(text, approval.value)
    return approval.value
  })
}

/** Takes an approval back. Answers whether there was one. */
export function withdraw(
  options: Pick<ApproveOptions, 'policy' | 'redis' | 'approver' | 'occasion' | 'clock'>,
): Promise<Result<boolean, string>> {
  return withStore(options, store => store.withdraw(options.occasion, options.approver))
}

async function withStore<T>(
  { redis, policy, clock = systemClock }: Pick<ApproveOptions, 'policy' | 'redis' | 'clock'>,
  use: (store: ReturnType<typeof createRedisApprovalStore>) => Promise<T>,
): Promise<Result<T, string>> {
  const store = createRedisApprovalStore(
    { url: redis, timeoutMs, approvers: policy.approvers, log: silentLog },
    clock,
  )
  try {
    return ok(await use(store))
  } catch {
    return fail('Redis does not answer')
  } finally {
    await store.close()
  }
}

function findObstacle(
  { approvers, rules, audiences }: PolicyDocument,
  approver: string,
  { actor, subject, audience, mode, scope }: ApprovedOccasion,
): string | undefined {
  if (!approvers.has(approver)) return `the policy has no approver ${approver}`
  const isOwn = [approver, approvers.get(approver)?.subject].some(sub => sub === actor || sub === subject)
  if (isOwn) return 'nobody approves what they do, or what is done to them'
  const isAbout = (into: (typeof rules)[number]['into']): boolean =>
    into === 'own' ? (audiences.get(audience)?.servedBy.length ?? 0) > 0 : into.includes(audience)
  const asking = rules.filter(
    rule => rule.mode === mode && isAbout(rule.into) && rule.require.approval?.includes(approver),
  )
  if (asking.length === 0) return `no rule asks ${approver} for an approval of ${mode} into ${audience}`
  const target = audiences.get(audience)
  const isPermitted = target && asking.some(rule => isScopeWithin(scope, scopeAt(rule, target)))
  return isPermitted ? undefined : `no rule that asks for this approval permits ${formatScope(scope)}`
}
