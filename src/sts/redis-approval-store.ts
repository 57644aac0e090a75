import type { Clock } from '../base/clock.ts'
import { digestFieldsBase64Url } from '../base/digest.ts'
import type { Log } from '../base/log.ts'
import { isScopeWithin } from '../oauth/scope-set.ts'
import type { ApprovalStore, ApprovedOccasion } from '../policy/approval.ts'
import type { Approval, Approver } from '../policy/document.ts'
import { readApproval } from './approval-token.ts'
import { openRedisConnection, type RedisConnectionOptions } from './redis-connection.ts'

export interface RedisApprovalStoreOptions extends RedisConnectionOptions {
  readonly approvers: ReadonlyMap<string, Approver>
  readonly log: Log
}

/** Approvals in Redis: written by `hopgate approve`, found by token services and sidecars. */
export interface RedisApprovalStore extends ApprovalStore {
  /** Stores an approval until it ends, in place of an earlier one of the same person for the same occasion, whatever its scope. Rejects when Redis does not take it. */
  put(text: string, approval: Approval): Promise<void>
  /** Takes an approval back, whatever its scope; false when there was none. Rejects when Redis does not answer. */
  withdraw(occasion: Omit<ApprovedOccasion, 'scope'>, approver: string): Promise<boolean>
  close(): Promise<void>
}

/**
 * Opens the store. Redis is not trusted: whoever can write to it can take approvals away, and can make none, since each is
 * signed by its approver for its one occasion and its own time.
 *
 * @throws TypeError for a URL that is not one of Redis; the message does not quote it
 */
export function createRedisApprovalStore(
  options: RedisApprovalStoreOptions,
  clock: Clock,
): RedisApprovalStore {
  const { redis, gathering, attempted } = openRedisConnection(options)
  const nameOf = (occasion: Omit<ApprovedOccasion, 'scope'>, approver: string): string =>
    `hopgate:approval:${occasionId(occasion, approver)}`
  return {
    async find(occasion, approvers) {
      if (approvers.length === 0) return undefined
      await attempted
      try {
        const texts = await gathering().mget(approvers.map(approver => nameOf(occasion, approver)))
        for (const text of texts) {
          const approval = text === null ? undefined : readApproval(text, options.approvers, clock.now())
          if (approval?.ok === true && isScopeWithin(occasion.scope, approval.value.scope))
            return approval.value
          if (approval?.ok === false)
            options.log.warn('approval in Redis passed over', { reason: approval.error })
        }
      } catch {
        // Nothing of ioredis' error: it carries the command with its arguments.
        options.log.warn('approvals cannot be looked up', {})
      }
      return undefined
    },
    async put(text, approval) {
      await attempted
      const lifeMs = Math.ceil((approval.expiresAt - clock.now()) * 1000)
      await gathering().set(nameOf(approval, approval.approver), text, 'PX', lifeMs)
    },
    async withdraw(occasion, approver) {
      await attempted
      return (await gathering().del(nameOf(occasion, approver))) > 0
    },
    close: async () => redis.disconnect(),
  }
}

/** The scope is no part of the name: it is a bound, and whoever asks for less has to find it. */
function occasionId(
  { actor, actorIssuer, subject, subjectIssuer, caseId, audience, mode }: Omit<ApprovedOccasion, 'scope'>,
  approver: string,
): string {
  const fields = [approver, actorIssuer, actor, subjectIssuer, subject, caseId, audience, mode]
  return digestFieldsBase64Url('hopgate approval 2', fields)
}
