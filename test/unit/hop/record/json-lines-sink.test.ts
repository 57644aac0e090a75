import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { channels } from '../../../../src/base/channels.ts'
import { createJsonLinesSink } from '../../../../src/hop/record/json-lines-sink.ts'
import { anAuditEvent } from '../../../support/audit-event.ts'
import { createMemoryWriter } from '../../../support/memory-writer.ts'

describe('the JSON lines sink', () => {
  const lost: unknown[] = []
  const listener = (message: unknown) => lost.push(message)

  beforeEach(() => {
    lost.length = 0
    channels.auditLost.subscribe(listener)
  })

  afterEach(() => {
    channels.auditLost.unsubscribe(listener)
  })

  it('writes one CloudEvents line for each event', () => {
    const writer = createMemoryWriter()
    const sink = createJsonLinesSink('orders', writer)
    sink.write(anAuditEvent({ id: 'a' }))
    sink.write(anAuditEvent({ id: 'b' }))
    expect(writer.lines.map(line => JSON.parse(line).id)).toEqual(['a', 'b'])
    expect(lost).toEqual([])
  })

  it('announces every event that the writer did not take', () => {
    const sink = createJsonLinesSink('orders', createMemoryWriter(1))
    expect(sink.isAccepting()).toBe(true)
    for (let i = 0; i < 3; i++) sink.write(anAuditEvent())
    expect(sink.isAccepting()).toBe(false)
    expect(lost).toEqual([{ lost: 1 }, { lost: 1 }])
  })

  it('closes the writer', async () => {
    const writer = createMemoryWriter()
    await createJsonLinesSink('orders', writer).close()
    expect(writer.isClosed).toBe(true)
  })
})
