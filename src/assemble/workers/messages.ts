import type { ConfigTexts } from '../../config/config-texts.ts'
import type { Readiness } from '../admin-server.ts'

/** The variable by which a process knows that it is a worker, and which one. */
export const workerVariable = 'HOPGATE_WORKER'

/** What every worker of a sidecar runs with. There are secrets in it: it goes over the workers' own channel only. */
export interface WorkerSettings {
  /** What the primary has read its configuration from. */
  readonly texts: ConfigTexts
  /** The keys of the embedded token service as a private JWK set; undefined when there is none. */
  readonly signingKeys: string | undefined
}

/** What a worker begins with. */
export interface WorkerStart {
  readonly settings: WorkerSettings
  /** How many workers there are. */
  readonly workers: number
  /** Whether the audit trail takes events. */
  readonly isAuditAccepting: boolean
}

/** What the primary tells a worker. A message with `id` is answered by one with the same. */
export type ToWorker =
  | ({ readonly kind: 'start' } & WorkerStart)
  | { readonly kind: 'reload'; readonly id: number; readonly settings: WorkerSettings }
  | { readonly kind: 'metrics'; readonly id: number }
  /** Whether the audit trail takes events. */
  | { readonly kind: 'audit'; readonly isAccepting: boolean }
  /** Take no new connection, let requests under way end, and then end. */
  | { readonly kind: 'drain' }

/** What a worker tells the primary. */
export type FromWorker =
  /** Messages can be read. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'listening'; readonly url: string }
  /** It cannot start, and ends. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'readiness'; readonly readiness: Readiness }
  | { readonly kind: 'reloaded'; readonly id: number; readonly rejected?: string | undefined }
  | { readonly kind: 'metrics'; readonly id: number; readonly text: string }
  /** It has drained, and ends. These are its last metrics. */
  | { readonly kind: 'drained'; readonly metrics: string }
