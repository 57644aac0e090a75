import { type Clock, systemClock } from '../base/clock.ts'
import { createHttpClient } from '../base/http-client.ts'
import { closeServer, listen } from '../base/listen.ts'
import type { Log } from '../base/log.ts'
import { release } from '../base/release.ts'
import type { Secret } from '../base/secret.ts'
import type { HubConfig } from '../config/hub-config.ts'
import { createAuditWriter } from '../hop/record/audit-writer.ts'
import { createMetricsSink } from '../hop/record/metrics-sink.ts'
import { createHubServer } from '../hub/hub-server.ts'
import { createKeyEventWriter } from '../hub/key-event-line.ts'
import { createTokenEventWriter } from '../hub/token-event-line.ts'
import { createMemoryReplayStore } from '../sts/memory-replay-store.ts'
import { createMemoryRevocationStore } from '../sts/memory-revocation-store.ts'
import { openSigner } from '../sts/open-signer.ts'
import { createRedisReplayStore } from '../sts/redis-replay-store.ts'
import { createRedisRevocationStore } from '../sts/redis-revocation-store.ts'
import type { ReplayStore } from '../sts/replay-store.ts'
import type { RevocationStore } from '../sts/revocation-store.ts'
import { type Readiness, startAdminServer } from './admin-server.ts'
import { openHubService } from './hub-service.ts'
import { openHubTls } from './hub-tls.ts'
import { urlOf } from './url-of.ts'

/** A running hub. */
export interface Hub {
  /** Where requests go, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly adminUrl: string
  /**
   * Swaps clients, issuers and policy. A request is answered by the one or the other.
   *
   * @returns why not, and then nothing has changed; undefined when the new one answers
   */
  reload(config: HubConfig): string | undefined
  /** Notes for readiness that the configuration on disk is not the one that runs. */
  rejectReload(): void
  /** Opens the audit file again after it was rotated. */
  reopenFiles(): void
  /** Takes no new connection, lets requests under way end, writes what is left of the record. */
  close(): Promise<void>
}

export interface HubDependencies {
  readonly log: Log
  readonly clock?: Clock
}

const redisPrefix = 'hopgate:sts:'
const redisTimeoutMs = 500
const drainMs = 10_000

/**
 * Starts a hub. Rejects when it cannot listen, its keys cannot be used or its record cannot be opened; nothing is left
 * running then.
 */
export async function startHub(config: HubConfig, deps: HubDependencies): Promise<Hub> {
  const { log, clock = systemClock } = deps
  await using started = new AsyncDisposableStack()
  const writer = createAuditWriter({ file: config.audit.file, queue: config.audit.queue, log })
  started.defer(() => writer.close())
  const isRecording = (): boolean => config.audit.whenFull === 'count' || writer.isAccepting()
  const metrics = createMetricsSink({
    version: release,
    hopsInFlight: () => 0,
    isAuditAccepting: () => writer.isAccepting(),
  })
  started.defer(() => metrics.close())
  const client = createHttpClient()
  started.defer(() => client.close())
  const replay = openReplayStore(config.redis, clock)
  started.defer(() => replay.close())
  const revocations = openRevocationStore(config.redis, clock)
  started.defer(() => revocations.close())

  const writeKeys = createKeyEventWriter(config.sts.issuer)
  const { signer, close: closeSigner } = openSigner(config.sts, {
    clock,
    log,
    onChange: change => writer.write(writeKeys(change)),
  })
  started.defer(closeSigner)
  const write = createTokenEventWriter(config.sts.issuer)
  const service = openHubService(config, {
    clock,
    log,
    client,
    replay,
    revocations,
    signer,
    record: event => writer.write(write(event)),
    isRecording,
    redisTimeoutMs,
  })
  started.defer(() => service.close())

  let isDraining = false
  let isReloadRejected = false
  const isReady = (): Readiness => {
    const reasons = [
      ...(isDraining ? ['draining'] : []),
      ...(isReloadRejected ? ['the configuration on disk is not the one that runs'] : []),
      ...(isRecording() ? [] : ['the record cannot be kept']),
    ]
    return { ready: reasons.length === 0, reasons }
  }
  const admin = await startAdminServer(config.admin, { log, metrics, isReady })
  started.defer(() => admin.close())
  const tls = config.listen.tls && openHubTls(config.listen.tls, config.sts.clients, { log, clock })
  started.defer(() => tls?.close())
  const server = createHubServer([service.handle], log, tls)
  const address = await listen(server, config.listen)
  started.defer(() => closeServer(server, drainMs))
  void service.warm()

  const running = started.move()
  return {
    url: urlOf(address, tls === undefined ? 'http' : 'https'),
    adminUrl: urlOf(admin.address),
    reload(next) {
      const rejected = service.reload(next)
      if (rejected === undefined) isReloadRejected = false
      return rejected
    },
    rejectReload() {
      isReloadRejected = true
    },
    reopenFiles: () => writer.reopen(),
    close() {
      isDraining = true
      return running.disposeAsync()
    },
  }
}

function openReplayStore(redis: Secret | undefined, clock: Clock): ReplayStore {
  if (redis === undefined) return createMemoryReplayStore(clock)
  return createRedisReplayStore({ url: redis, prefix: redisPrefix, timeoutMs: redisTimeoutMs }, clock)
}

function openRevocationStore(redis: Secret | undefined, clock: Clock): RevocationStore {
  if (redis === undefined) return createMemoryRevocationStore(clock)
  return createRedisRevocationStore({ url: redis, prefix: redisPrefix, timeoutMs: redisTimeoutMs }, clock)
}
