import { describe, expect, it } from 'vitest'
import { MetricsRegistry } from '../../../../src/hop/record/metrics-registry.ts'

const registry = new MetricsRegistry()

/** The samples of one metric as they are scraped, without help and type. */
async function samplesOf({ name }: { readonly name: string }): Promise<string[]> {
  const lines = (await registry.text()).split('\n')
  return lines.filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
}

describe('a counter', () => {
  it('begins with 0 when it has no labels, and with no sample when it has some', async () => {
    expect(await samplesOf(registry.counter('hopgate_audit_lost_total'))).toEqual([
      'hopgate_audit_lost_total 0',
    ])
    expect(await samplesOf(registry.counter('hopgate_config_reloads_total'))).toEqual([])
  })

  it('counts apart what has other labels', async () => {
    const counter = registry.counter('hopgate_exchanges_total')
    counter.inc({ audience: 'a', source: 'redis' })
    counter.inc({ audience: 'a', source: 'redis' }, 2)
    counter.inc({ audience: 'b', source: 'redis' })
    expect(await samplesOf(counter)).toEqual([
      'hopgate_exchanges_total{audience="a",source="redis"} 3',
      'hopgate_exchanges_total{audience="b",source="redis"} 1',
    ])
    counter.reset()
    expect(await samplesOf(counter)).toEqual([])
  })

  it('says a total that is counted elsewhere', async () => {
    const counter = registry.counter('process_cpu_seconds_total')
    counter.setTotal(1.5)
    counter.setTotal(2.5)
    expect(await samplesOf(counter)).toEqual(['process_cpu_seconds_total 2.5'])
  })

  it('keeps every label value inside its quotes', async () => {
    const counter = registry.counter('hopgate_cache_rejected_total')
    counter.inc({ reason: 'a"} 7\nhopgate_up 1\\' })
    expect(await samplesOf(counter)).toEqual([
      'hopgate_cache_rejected_total{reason="a\\"} 7\\nhopgate_up 1\\\\"} 1',
    ])
  })
})

describe('a gauge', () => {
  it('shows the last value, and none when it was removed', async () => {
    const gauge = registry.gauge('hopgate_redis_up')
    gauge.set(1)
    gauge.set(0)
    expect(await samplesOf(gauge)).toEqual(['hopgate_redis_up 0'])
    gauge.remove()
    expect(await samplesOf(gauge)).toEqual([])
  })
})
