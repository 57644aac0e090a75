import { channels } from '../base/channels.ts'
import type { Clock } from '../base/clock.ts'
import type { HttpHandler } from '../base/http-message.ts'
import type { Log } from '../base/log.ts'
import { TaskCount } from '../base/task-count.ts'
import type { HubConfig } from '../config/hub-config.ts'
import { createTokenService, type TokenServiceDependencies } from '../sts/token-service.ts'
import { usesCertificate } from './hub-tls.ts'
import { openApprovals } from './open-approvals.ts'
import { isSameSection } from './same-section.ts'
import { makeOwning } from './shared-part.ts'

/** The token service of a hub: another one after a reload, with the same keys and the same memory of what was used and revoked. */
export interface HubService {
  readonly handle: HttpHandler
  /** Fetches what verifying needs. Never rejects; nothing needs to wait for it. */
  warm(): Promise<void>
  /**
   * Swaps clients, issuers and policy. A request is answered by the one or the other.
   *
   * @returns why not, and then nothing has changed; undefined when the new one answers
   */
  reload(config: HubConfig): string | undefined
  close(): Promise<void>
}

/** What is kept over reloads. */
export interface HubServiceDependencies
  extends Omit<TokenServiceDependencies, 'approvals' | 'signer' | 'clock' | 'log'>,
    Required<Pick<TokenServiceDependencies, 'signer'>> {
  readonly clock: Clock
  readonly log: Log
  readonly redisTimeoutMs: number
}

/** What sockets, files and everybody's idea of this hub hold on to. */
const fixedAtStart = ['listen', 'admin', 'audit', 'redis'] as const
const fixedOfSts = ['issuer', 'keys', 'algorithm'] as const

/** @throws Error, without key material, for a configuration that cannot be used */
export function openHubService(config: HubConfig, deps: HubServiceDependencies): HubService {
  let running = config
  let current = open(config, deps)
  return {
    handle: request => current.handle(request),
    warm: () => current.warm(),
    reload(next) {
      const fixed =
        fixedAtStart.find(part => !isSameSection(running[part], next[part])) ??
        fixedOfSts.find(part => !isSameSection(running.sts[part], next.sts[part]))
      if (fixed !== undefined) return `${fixed}: changes with a restart only`
      if (next.sts.clients.some(usesCertificate) && !asksForCertificates(config)) {
        return 'sts.clients: certificates are asked for after a restart only'
      }
      try {
        const before = current
        current = open(next, deps)
        running = next
        void before.retire()
        void current.warm()
        return undefined
      } catch (error) {
        return error instanceof Error ? error.message : 'it cannot be used'
      }
    },
    close: () => current.retire(),
  }
}

function asksForCertificates({ listen: { tls }, sts }: HubConfig): boolean {
  return tls?.clientCa !== undefined || sts.clients.some(usesCertificate)
}

function open(config: HubConfig, { redisTimeoutMs, ...deps }: HubServiceDependencies) {
  const underWay = new TaskCount()
  const { part: service, owned } = makeOwning(parts => {
    const { policy } = config.sts
    const { log, clock } = deps
    const approvals = openApprovals(policy, config.redis, { timeoutMs: redisTimeoutMs, log, clock })
    parts.defer(() => approvals?.close())
    const made = createTokenService(config.sts, { ...deps, ...(approvals !== undefined && { approvals }) })
    parts.defer(() => made.close())
    if (policy !== undefined) channels.policy.publish({ digest: policy.digest })
    return made
  })
  return {
    handle: ((request, ...more) =>
      underWay.add(Promise.resolve(service.handle(request, ...more)))) as HttpHandler,
    warm: () => service.warm(),
    /** Lets what is under way end, then closes. */
    async retire() {
      await underWay.idle()
      await owned.disposeAsync()
    },
  }
}
