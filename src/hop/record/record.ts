import type { Log } from '../../base/log.ts'
import type { AuditSink } from './sink.ts'

/**
 * The sixth stage: hands each event to every sink. A sink that breaks its contract and throws is logged, and the
 * others get the event all the same.
 *
 * @returns a sink that accepts while all of them do
 */
export function createRecord(sinks: readonly AuditSink[], log: Log): AuditSink {
  return {
    write(event) {
      for (const sink of sinks) {
        try {
          sink.write(event)
        } catch (error) {
          log.error('audit sink failed', { event: event.id, error })
        }
      }
    },
    isAccepting: () => sinks.every(sink => sink.isAccepting()),
    async close() {
      for (const closed of await Promise.allSettled(sinks.map(sink => sink.close()))) {
        if (closed.status === 'rejected') log.error('audit sink did not close', { error: closed.reason })
      }
    },
  }
}
