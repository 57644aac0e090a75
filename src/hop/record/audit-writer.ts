import { channels } from '../../base/channels.ts'
import { createLineWriter, type LineWriter } from '../../base/line-writer.ts'
import type { Log } from '../../base/log.ts'

export interface AuditWriterOptions {
  /** Appended to; standard output when absent. */
  readonly file?: string | undefined
  /** How many lines may wait. */
  readonly queue: number
  readonly log: Log
}

/**
 * The line writer of the audit trail: tells the log when lines cannot be written and when they can again, and
 * `channels.auditLost` how many were accepted in vain.
 *
 * @throws the system's error when the file cannot be opened at the start
 */
export function createAuditWriter({ file, queue, log }: AuditWriterOptions): LineWriter {
  const place = file ?? 'standard output'
  return createLineWriter({
    file,
    queue,
    onLost(count) {
      log.error('audit events lost', { place, count })
      channels.auditLost.publish({ lost: count })
    },
    onFailing: code => log.error('audit events cannot be written', { place, code }),
    onRecovered: () => log.info('audit events can be written again', { place }),
  })
}
