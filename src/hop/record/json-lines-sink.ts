import { channels } from '../../base/channels.ts'
import type { LineWriter } from '../../base/line-writer.ts'
import { createCloudEventWriter } from './cloud-event.ts'
import type { AuditSink } from './sink.ts'

/**
 * A sink that writes each event as one CloudEvents line. An event that the writer does not take is counted on
 * `channels.auditLost`.
 */
export function createJsonLinesSink(service: string, writer: LineWriter): AuditSink {
  const lineOf = createCloudEventWriter(service)
  return {
    write(event) {
      if (!writer.write(lineOf(event))) channels.auditLost.publish({ lost: 1 })
    },
    isAccepting: () => writer.isAccepting(),
    close: () => writer.close(),
  }
}
