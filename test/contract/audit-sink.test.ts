import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { createAuditWriter } from '../../src/hop/record/audit-writer.ts'
import { createJsonLinesSink } from '../../src/hop/record/json-lines-sink.ts'
import { createMetricsSink } from '../../src/hop/record/metrics-sink.ts'
import { createRecord } from '../../src/hop/record/record.ts'
import type { AuditSink } from '../../src/hop/record/sink.ts'
import { anAuditEvent, aRefusedEvent, inboundFacts } from '../support/audit-event.ts'
import { createMemoryWriter } from '../support/memory-writer.ts'
import { readSamples } from '../support/metrics-text.ts'
import { createTempFolder } from '../support/temp-folder.ts'

/** A sink on test, and how many events it has kept, as far as can be told from outside after it was closed. */
interface Subject {
  readonly sink: AuditSink
  kept(): Promise<number>
}

function openFile(): Subject {
  const file = join(createTempFolder(), 'audit.jsonl')
  const writer = createAuditWriter({ file, queue: 1_000, log: silentLog })
  return {
    sink: createJsonLinesSink('orders', writer),
    kept: async () => readFileSync(file, 'utf8').split('\n').length - 1,
  }
}

function openMetrics(): Subject {
  const sink = createMetricsSink({ version: '0', hopsInFlight: () => 0, isAuditAccepting: () => true })
  onTestFinished(() => sink.close())
  const kept = async (): Promise<number> => {
    const read = readSamples(await sink.metricsText())
    const ok = { route: 'GET /orders/**', outcome: 'forwarded', refusal: 'none', status_class: '2xx' }
    const no = { route: 'none', outcome: 'refused', refusal: 'route.not_found', status_class: '4xx' }
    return (read('hopgate_hops_total', ok) ?? 0) + (read('hopgate_hops_total', no) ?? 0)
  }
  return { sink, kept }
}

function openRecord(): Subject {
  const [file, metrics] = [openFile(), openMetrics()]
  return { sink: createRecord([file.sink, metrics.sink], silentLog), kept: file.kept }
}

describe.each([
  ['JSON lines', openFile],
  ['metrics', openMetrics],
  ['several sinks', openRecord],
])('an audit sink: %s', (_, open) => {
  it('keeps every event that it was given before it was closed', async () => {
    const { sink, kept } = open()
    for (let i = 0; i < 100; i++) sink.write(i % 2 === 0 ? anAuditEvent() : aRefusedEvent())
    await sink.close()
    expect(await kept()).toBe(100)
  })

  it('accepts when there is room', () => {
    const { sink } = open()
    expect(sink.isAccepting()).toBe(true)
  })

  it('does not wait and does not throw, whatever the event holds', () => {
    const { sink } = open()
    const strange = '\u0000\ud800"\\\n\u2028'
    const odd = anAuditEvent({
      at: Number.NaN,
      status: -1,
      path: strange,
      route: strange,
      detail: strange.repeat(10_000),
      inbound: inboundFacts({ subject: strange, actors: new Array<string>(100).fill(strange) }),
      stageMs: { accept: Number.NaN, forward: Number.NEGATIVE_INFINITY },
    })
    expect(sink.write(odd)).toBeUndefined()
  })

  it('does not throw when it is written to after it was closed, and may be closed twice', async () => {
    const { sink } = open()
    await sink.close()
    expect(() => sink.write(anAuditEvent())).not.toThrow()
    await sink.close()
  })

  it('does not hold on to the event: what changes in it later is not recorded', async () => {
    const { sink, kept } = open()
    const stageMs = { accept: 1 }
    sink.write(anAuditEvent({ stageMs }))
    stageMs.accept = Number.NaN
    await sink.close()
    expect(await kept()).toBe(1)
  })
})

describe('a sink that is full', () => {
  it('does not accept, and neither do several of which it is one', () => {
    const full = createJsonLinesSink('orders', createMemoryWriter(0))
    const roomy = createJsonLinesSink('orders', createMemoryWriter())
    expect(full.isAccepting()).toBe(false)
    expect(() => full.write(anAuditEvent())).not.toThrow()
    expect(createRecord([roomy, full], silentLog).isAccepting()).toBe(false)
  })
})
