import { type Clock, systemClock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { SidecarConfig } from '../config/sidecar-config.ts'
import type { Front } from '../hop/accept/front.ts'
import { createFrontServer } from '../hop/accept/front-server.ts'
import { createHttp2Front } from '../hop/accept/http2/http2-front.ts'
import { createLoadMonitor } from '../hop/accept/load-monitor.ts'
import { OpenTunnels } from '../hop/forward/open-tunnels.ts'
import { type Readiness, startAdminServer } from './admin-server.ts'
import { findFixedChange } from './fixed-at-start.ts'
import { type AssembledHop, assembleHop } from './hop.ts'
import { createKeptParts, type KeptPartsDependencies } from './kept-parts.ts'
import { openListenTls } from './listen-tls.ts'
import { assembleRecord, type RecordDependencies } from './record.ts'
import { isSameSection } from './same-section.ts'
import { urlOf } from './url-of.ts'

/** A running sidecar. */
export interface Sidecar {
  /** Where requests go, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly adminUrl: string
  /**
   * Swaps the whole configuration. A request sees the one or the other, and one that is under way ends with the one
   * that it began with. Parts whose section of the configuration stays the same go on with what they know.
   *
   * @returns why not, and then nothing has changed; undefined when the new one runs
   */
  reload(config: SidecarConfig): string | undefined
  /** Notes for readiness that the configuration on disk is not the one that runs. */
  rejectReload(): void
  /** Opens the audit file again after it was rotated. */
  reopenFiles(): void
  /** Takes no new connection, lets requests under way end, flushes the audit trail. */
  close(): Promise<void>
}

export interface SidecarDependencies extends RecordDependencies {
  readonly log: Log
  readonly clock?: Clock
  /** How many processes share the memory of the container. Default 1. */
  readonly processes?: number
  /** Opens the admin address; a worker's is opened by the process that leads it. */
  readonly startAdmin?: typeof startAdminServer
  /** See {@link KeptPartsDependencies.signerOf}. */
  readonly signerOf?: KeptPartsDependencies['signerOf']
}

/** Starts a sidecar. Rejects when it cannot listen or its audit file cannot be opened; nothing is left running then. */
export async function startSidecar(
  config: SidecarConfig,
  dependencies: SidecarDependencies,
): Promise<Sidecar> {
  const { log, clock = systemClock, startAdmin = startAdminServer } = dependencies
  await using started = new AsyncDisposableStack()
  const record = assembleRecord(config, dependencies)
  started.defer(() => record.close())
  const tunnels = new OpenTunnels()
  const load = createLoadMonitor(config.limits, () => record.underWay(), dependencies.processes)
  started.defer(() => load.close())
  const kept = createKeptParts({ log, clock, record, signerOf: dependencies.signerOf })
  started.defer(() => kept.close())
  /** The current one, and those before it that requests are still under way in. */
  const hops = new Set<AssembledHop>()
  const assemble = (next: SidecarConfig): AssembledHop => {
    const hop = assembleHop(next, { log, clock, record, kept, load, tunnels })
    hops.add(hop)
    return hop
  }
  let applied = config
  let current = assemble(config)
  started.defer(async () => {
    await Promise.all([...hops].map(hop => hop.close()))
  })
  let isDraining = false
  let isReloadRejected = false

  const isReady = (): Readiness => {
    const reasons: string[] = []
    if (!current.isWarm()) reasons.push('starting: no issuer keys yet')
    if (isDraining) reasons.push('draining')
    // Who serves the last good configuration goes on serving, and says so without leaving the service.
    const ready = reasons.length === 0
    if (isReloadRejected) reasons.push('configuration: the last reload was rejected')
    return { ready, reasons }
  }
  const admin = await startAdmin(config.admin, {
    log,
    metrics: record.metrics,
    isReady,
    handlers: [request => current.tokenService?.(request) ?? Promise.resolve(undefined)],
  })
  started.defer(() => admin.close())
  const tls = config.listen.tls && openListenTls(config.listen.tls, log, clock)
  started.defer(() => tls?.close())
  const limits = { ...config.limits, ...config.timeouts }
  const front: Front = {
    onRequest(caller) {
      void current.hop(caller)
    },
    onUnreadable: (...unreadable) => current.refuseUnreadable(...unreadable),
  }
  const server = createFrontServer(
    {
      limits,
      tls: tls?.options(),
      isPermittedPeer: tls?.isPermittedPeer,
      http2: config.listen.http2 ? createHttp2Front(limits, front) : undefined,
    },
    front,
  )
  tls?.onChange(options => server.useTls(options))
  const address = await server.listen(config.listen)
  started.defer(() => server.drain(config.timeouts.drainMs))
  void current.warm()

  const running = started.move()
  let closing: Promise<void> | undefined
  return {
    url: urlOf(address, tls === undefined ? 'http' : 'https'),
    adminUrl: urlOf(admin.address),
    reload(next) {
      const fixed = findFixedChange(config, next)
      if (fixed !== undefined) return fixed
      if (isDraining) return 'the sidecar is stopping'
      if (!isSameSection(applied, next)) {
        const before = current
        try {
          current = assemble(next)
        } catch (cause) {
          return cause instanceof Error ? cause.message : 'it cannot be assembled'
        }
        applied = next
        void current.warm()
        before
          .retire()
          .catch((error: unknown) => log.error('the configuration before did not close', { error }))
          .finally(() => hops.delete(before))
      }
      isReloadRejected = false
      return undefined
    },
    rejectReload() {
      isReloadRejected = true
    },
    reopenFiles: () => record.reopen(),
    close() {
      isDraining = true
      tunnels.goAway()
      closing ??= running.disposeAsync()
      return closing
    },
  }
}
