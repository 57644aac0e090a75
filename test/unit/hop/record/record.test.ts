import { describe, expect, it, vi } from 'vitest'
import { silentLog } from '../../../../src/base/log.ts'
import { createRecord } from '../../../../src/hop/record/record.ts'
import type { AuditSink } from '../../../../src/hop/record/sink.ts'
import { anAuditEvent } from '../../../support/audit-event.ts'

function aSink(about: Partial<AuditSink> = {}): AuditSink {
  return { write: vi.fn(), isAccepting: () => true, close: vi.fn(async () => {}), ...about }
}

describe('the record', () => {
  it('gives every event to every sink', () => {
    const sinks = [aSink(), aSink()]
    const event = anAuditEvent()
    createRecord(sinks, silentLog).write(event)
    for (const sink of sinks) expect(sink.write).toHaveBeenCalledExactlyOnceWith(event)
  })

  it('gives the event to the others when a sink throws, and says so', () => {
    const log = { ...silentLog, error: vi.fn() }
    const broken = aSink({
      write() {
        throw new Error('bug')
      },
    })
    const whole = aSink()
    expect(() => createRecord([broken, whole], log).write(anAuditEvent())).not.toThrow()
    expect(whole.write).toHaveBeenCalledOnce()
    expect(log.error).toHaveBeenCalledOnce()
  })

  it('accepts only while all sinks do', () => {
    const sinks = [true, false].map(accepts => aSink({ isAccepting: () => accepts }))
    expect(createRecord(sinks, silentLog).isAccepting()).toBe(false)
    expect(createRecord(sinks.slice(0, 1), silentLog).isAccepting()).toBe(true)
  })

  it('closes every sink, also after one that fails', async () => {
    const broken = aSink({ close: () => Promise.reject(new Error('bug')) })
    const whole = aSink()
    await createRecord([broken, whole], silentLog).close()
    expect(whole.close).toHaveBeenCalledOnce()
  })
})
