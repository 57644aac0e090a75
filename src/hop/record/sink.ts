import type { AuditEvent } from '../../model/audit-event.ts'

/**
 * Where audit events go.
 *
 * Contract: `write` never throws and never waits; `isAccepting` is false while the next event could be lost;
 * `close` resolves when everything accepted is written.
 */
export interface AuditSink {
  write(event: AuditEvent): void
  isAccepting(): boolean
  close(): Promise<void>
}
