import { describe, expect, it } from 'vitest'
import { MergedMetrics, primary } from '../../../../src/hop/record/metrics-merge.ts'
import { createMetricsSink } from '../../../../src/hop/record/metrics-sink.ts'
import { type MetricRow, metricTable } from '../../../../src/hop/record/metrics-table.ts'
import { anAuditEvent } from '../../../support/audit-event.ts'
import { type ReadSample, readSamples } from '../../../support/metrics-text.ts'

const hops = (count: number, route = 'orders') =>
  `hopgate_hops_total{route="${route}",outcome="forwarded",refusal="none",status_class="2xx"} ${count}\n`
const labels = (route = 'orders') => ({
  route,
  outcome: 'forwarded',
  refusal: 'none',
  status_class: '2xx',
})
const read = (merged: MergedMetrics): ReadSample => readSamples(merged.text())

describe('metrics of several processes', () => {
  it('are the sums of what each has counted', () => {
    const merged = new MergedMetrics()
    merged.update(1, hops(3) + hops(1, 'refunds'))
    merged.update(2, hops(4))
    expect(read(merged)('hopgate_hops_total', labels())).toBe(7)
    expect(read(merged)('hopgate_hops_total', labels('refunds'))).toBe(1)
  })

  it('keep what a process counted that has ended, and go on from there with the next one of its number', () => {
    const merged = new MergedMetrics()
    merged.update(1, hops(3))
    merged.update(2, hops(4))
    merged.retire(1)
    expect(read(merged)('hopgate_hops_total', labels())).toBe(7)
    merged.update(1, hops(2))
    expect(read(merged)('hopgate_hops_total', labels())).toBe(9)
    merged.retire(1)
    merged.retire(2)
    merged.retire(2)
    expect(read(merged)('hopgate_hops_total', labels())).toBe(9)
  })

  it('forget what a process was like that has ended', () => {
    const merged = new MergedMetrics()
    merged.update(1, 'hopgate_hops_in_flight 5\nprocess_resident_memory_bytes 100\n')
    merged.update(2, 'hopgate_hops_in_flight 2\nprocess_resident_memory_bytes 200\n')
    expect(read(merged)('hopgate_hops_in_flight')).toBe(7)
    merged.retire(1)
    expect(read(merged)('hopgate_hops_in_flight')).toBe(2)
    expect(read(merged)('process_resident_memory_bytes')).toBe(200)
  })

  it('never let a counter go back, whatever order fractions are added in', () => {
    const merged = new MergedMetrics()
    const cpu = (seconds: number) => `process_cpu_seconds_total ${seconds}\n`
    const seconds = [0.1, 0.2, 0.3, 0.7, 1e-9, 12345.678]
    let last = 0
    for (let round = 1; round <= 50; round++) {
      for (const [index, base] of seconds.entries()) {
        merged.update(index, cpu(base * round))
        if ((round + index) % 3 === 0) {
          merged.retire(index)
          merged.update(index, cpu(0))
        }
        const now = read(merged)('process_cpu_seconds_total') ?? Number.NaN
        expect(now).toBeGreaterThanOrEqual(last)
        last = now
      }
    }
    expect(last).toBeGreaterThan(0)
  })

  it('do not count back when a process counts from the start again unnoticed', () => {
    const merged = new MergedMetrics()
    merged.update(1, hops(5))
    expect(read(merged)('hopgate_hops_total', labels())).toBe(5)
    merged.update(1, hops(1))
    expect(read(merged)('hopgate_hops_total', labels())).toBe(5)
  })

  it('show the worst state of the workers, and not that of the primary, which takes no requests', () => {
    const merged = new MergedMetrics()
    const state = (closed: number, open: number, redis: number) =>
      `hopgate_breaker_state{state="closed"} ${closed}\nhopgate_breaker_state{state="open"} ${open}\nhopgate_redis_up ${redis}\n`
    merged.update(primary, state(1, 0, 0))
    merged.update(1, state(0, 1, 1))
    merged.update(2, state(0, 1, 1))
    expect(read(merged)('hopgate_breaker_state', { state: 'closed' })).toBe(0)
    expect(read(merged)('hopgate_breaker_state', { state: 'open' })).toBe(1)
    expect(read(merged)('hopgate_redis_up')).toBe(1)
    merged.update(2, state(1, 0, 0))
    expect(read(merged)('hopgate_breaker_state', { state: 'closed' })).toBe(1)
    expect(read(merged)('hopgate_breaker_state', { state: 'open' })).toBe(1)
    expect(read(merged)('hopgate_redis_up')).toBe(0)
  })

  it('show of the primary what only the primary knows', () => {
    const merged = new MergedMetrics()
    merged.update(1, 'hopgate_workers 1\nhopgate_config_last_reload_successful 1\n')
    merged.update(primary, 'hopgate_workers 4\nhopgate_config_last_reload_successful 0\n')
    merged.update(2, 'hopgate_workers 1\nhopgate_config_last_reload_successful 1\n')
    expect(read(merged)('hopgate_workers')).toBe(4)
    expect(read(merged)('hopgate_config_last_reload_successful')).toBe(0)
  })

  it('show each delay of an event loop in the next scrape, although a process was asked in between', () => {
    const merged = new MergedMetrics()
    const lag = (seconds: number) => `nodejs_eventloop_lag_max_seconds ${seconds}\n`
    merged.update(1, lag(0.5))
    merged.update(1, lag(0.01))
    merged.update(2, lag(0.02))
    expect(read(merged)('nodejs_eventloop_lag_max_seconds')).toBe(0.5)
    merged.update(1, lag(0.01))
    merged.update(2, lag(0.02))
    expect(read(merged)('nodejs_eventloop_lag_max_seconds')).toBe(0.02)
  })

  it('are the exposition of one process when there is one', async () => {
    const sink = createMetricsSink({
      version: '1',
      hopsInFlight: () => 2,
      isAuditAccepting: () => true,
      worker: 3,
    })
    for (let count = 0; count < 3; count++) sink.write(anAuditEvent())
    const text = await sink.metricsText()
    await sink.close()
    const merged = new MergedMetrics()
    merged.update(1, text)
    merged.update(primary, 'hopgate_workers 1\n')
    const one = samplesOf(text)
    const all = samplesOf(merged.text())
    const isPrimarys = (sample: string): boolean =>
      Object.entries<MetricRow>(metricTable).some(
        ([name, { across }]) => across === 'primary' && (sample === name || sample.startsWith(`${name}{`)),
      )
    expect([...all.keys()].toSorted()).toEqual(
      [...[...one.keys()].filter(sample => !isPrimarys(sample)), 'hopgate_workers'].toSorted(),
    )
    for (const [sample, value] of all)
      if (sample !== 'hopgate_workers') expect(value, sample).toBe(one.get(sample))
    expect(one.get('hopgate_worker_hops_total{worker="3"}')).toBe('3')
  })

  it('keep the buckets of a histogram together and in order', () => {
    const merged = new MergedMetrics()
    const histogram = (route: string, counts: readonly number[]) =>
      counts
        .map(
          (count, index) =>
            `hopgate_upstream_duration_seconds_bucket{route="${route}",le="${index}"} ${count}\n`,
        )
        .join('') +
      `hopgate_upstream_duration_seconds_sum{route="${route}"} 0.5\nhopgate_upstream_duration_seconds_count{route="${route}"} ${counts.at(-1)}\n`
    merged.update(1, histogram('a', [1, 2, 3]))
    merged.update(2, histogram('b', [0, 0, 1]) + histogram('a', [0, 5, 5]))
    merged.retire(1)
    const lines = merged
      .text()
      .split('\n')
      .filter(line => line.startsWith('hopgate_upstream_duration_seconds_'))
      .map(line => line.replace('hopgate_upstream_duration_seconds_', ''))
    expect(lines).toEqual([
      'bucket{route="a",le="0"} 1',
      'bucket{route="a",le="1"} 7',
      'bucket{route="a",le="2"} 8',
      'sum{route="a"} 1',
      'count{route="a"} 8',
      'bucket{route="b",le="0"} 0',
      'bucket{route="b",le="1"} 0',
      'bucket{route="b",le="2"} 1',
      'sum{route="b"} 0.5',
      'count{route="b"} 1',
    ])
  })

  it('has help and type for every metric once, in the order of the table', () => {
    const merged = new MergedMetrics()
    merged.update(1, hops(1))
    const types = [...merged.text().matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
    expect(types).toEqual(Object.entries<MetricRow>(metricTable).map(([name, { type }]) => [name, type]))
  })
})

function samplesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]),
  )
}
