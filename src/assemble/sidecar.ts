import { createHash } from 'node:crypto'
import type { Server } from 'node:http'
import { ServerResponse } from 'node:http'
import { type Clock, systemClock } from '../base/clock.ts'
import { createLineWriter, type LineWriter } from '../base/line-writer.ts'
import { closeServer, listen } from '../base/listen.ts'
import type { Log } from '../base/log.ts'
import type { SidecarConfig } from '../config/sidecar-config.ts'
import { createFrontServer } from '../hop/accept/front-server.ts'
import type { Refusal } from '../model/refusal.ts'
import { type AdminServer, startAdminServer } from './admin-server.ts'
import { type AssembledHop, assembleHop } from './hop.ts'
import { assembleRecord, type AssembledRecord } from './record.ts'

/** A running sidecar. */
export interface Sidecar {
  /** Where requests go, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly adminUrl: string
  /** Swaps the whole configuration; answers why not, and then changes nothing. */
  reload(config: SidecarConfig): Promise<string | undefined>
  /** Notes for readiness that the configuration on disk is not the one that runs. */
  rejectReload(): void
  /** Opens the audit file again after it was rotated. */
  reopenFiles(): void
  /** Takes no new connection, lets requests under way end, flushes the audit trail. */
  close(): Promise<void>
}

export interface SidecarDependencies {
  readonly log: Log
  readonly clock?: Clock
  /** Where audit lines go instead of what the configuration says. */
  readonly auditWriter?: LineWriter
}

/** Parts of the configuration that sockets and files hold on to: they change with a restart only. */
const fixedAtStart = ['service', 'listen', 'admin', 'limits', 'timeouts', 'audit'] as const

/** Starts a sidecar. Rejects when it cannot listen. */
export async function startSidecar(config: SidecarConfig, deps: SidecarDependencies): Promise<Sidecar> {
  const { log, clock = systemClock } = deps
  const writer = deps.auditWriter ?? createLineWriter({ queue: config.audit.queue, ...fileOf(config) })
  const record = assembleRecord(config, writer)
  let current = assembleHop(config, { log, clock, record })
  let isDraining = false
  let isReloadRejected = false

  const server = createFrontServer(
    {
      headerBytes: config.limits.headerBytes,
      connections: config.limits.connections,
      requestsPerConnection: config.limits.requestsPerConnection,
      headersMs: config.timeouts.headersMs,
      keepAliveMs: config.timeouts.keepAliveMs,
      bodyIdleMs: config.timeouts.bodyIdleMs,
    },
    {
      onRequest(received, response, tunnel) {
        if (isDraining) response.shouldKeepAlive = false
        void current.hop(tunnel === undefined ? { received, response } : { received, response, tunnel })
      },
      onUnreadable(socket, reason) {
        current.refuseUnreadable(socket, reason)
      },
    },
  )
  const admin = await startAdminServer(config.admin, {
    log,
    metrics: record.metrics,
    handlers: current.handlers,
    isReady: () => readiness(current, isDraining, isReloadRejected),
  })
  const address = await listen(server, config.listen)
  void current.warm()

  return {
    url: urlOf(address),
    adminUrl: urlOf(admin.address),
    async reload(next) {
      const fixed = fixedAtStart.find(part => !isSame(config[part], next[part]))
      if (fixed !== undefined) return `${fixed} changes with a restart only`
      const before = current
      current = assembleHop(next, { log, clock, record })
      isReloadRejected = false
      void current.warm()
      void before.close()
      return undefined
    },
    rejectReload() {
      isReloadRejected = true
    },
    reopenFiles() {
      writer.reopen()
    },
    async close() {
      isDraining = true
      await drain(server, config.timeouts.drainMs)
      await current.close()
      await admin.close()
      await record.close()
    },
  }
}
