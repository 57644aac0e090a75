import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { channels } from '../../../../src/base/channels.ts'
import { describeMetrics } from '../../../../src/hop/record/metrics-docs.ts'
import { createMetricsSink, type MetricsSink } from '../../../../src/hop/record/metrics-sink.ts'
import { type MetricRow, metricTable } from '../../../../src/hop/record/metrics-table.ts'
import { anAuditEvent, aRefusedEvent, outboundFacts } from '../../../support/audit-event.ts'
import { readSamples } from '../../../support/metrics-text.ts'
import { projectRoot } from '../../../support/source-files.ts'

let sink: MetricsSink
let inFlight: number
let isAuditAccepting: boolean

beforeEach(() => {
  inFlight = 0
  isAuditAccepting = true
  sink = createMetricsSink({
    version: '1.2.3',
    hopsInFlight: () => inFlight,
    isAuditAccepting: () => isAuditAccepting,
  })
})

afterEach(() => sink.close())

const samples = async () => readSamples(await sink.metricsText())

describe('the metrics of hops', () => {
  it('count each event by route, outcome, refusal and class of status', async () => {
    sink.write(anAuditEvent())
    sink.write(anAuditEvent({ status: 304 }))
    sink.write(anAuditEvent())
    sink.write(anAuditEvent({ outcome: 'refused', status: 403, refusal: 'policy.denied' }))
    sink.write(aRefusedEvent())
    const read = await samples()
    const route = 'GET /orders/**'
    const hops = (labels: Record<string, string>) => read('hopgate_hops_total', labels)
    expect(hops({ route, outcome: 'forwarded', refusal: 'none', status_class: '2xx' })).toBe(2)
    expect(hops({ route, outcome: 'forwarded', refusal: 'none', status_class: '3xx' })).toBe(1)
    expect(hops({ route, outcome: 'refused', refusal: 'policy.denied', status_class: '4xx' })).toBe(1)
    expect(hops({ route: 'none', outcome: 'refused', refusal: 'route.not_found', status_class: '4xx' })).toBe(
      1,
    )
  })

  it('say the same at every scrape when nothing happens', async () => {
    sink.write(anAuditEvent())
    const hops = async () =>
      (await sink.metricsText()).split('\n').filter(line => /^hopgate_.*route=/.test(line))
    const first = await hops()
    expect(first.length).toBeGreaterThan(10)
    expect(await hops()).toEqual(first)
  })

  it('measure the whole hop, each stage and the upstream, in seconds', async () => {
    sink.write(
      anAuditEvent({
        stageMs: { accept: 0.5, authenticate: 1, authorize: 0.5, exchange: 20, forward: 78 },
        delivery: { status: 200, upstreamMs: 60, bytesIn: 10, bytesOut: 1_000, complete: true },
      }),
    )
    const read = await samples()
    const hop = { route: 'GET /orders/**', outcome: 'forwarded' }
    expect(read('hopgate_hop_duration_seconds_sum', hop)).toBeCloseTo(0.1)
    expect(read('hopgate_hop_duration_seconds_count', hop)).toBe(1)
    expect(read('hopgate_hop_duration_seconds_bucket', { ...hop, le: '0.05' })).toBe(0)
    expect(read('hopgate_hop_duration_seconds_bucket', { ...hop, le: '0.25' })).toBe(1)
    expect(read('hopgate_hop_duration_seconds_bucket', { ...hop, le: '+Inf' })).toBe(1)
    expect(read('hopgate_stage_duration_seconds_sum', { stage: 'exchange' })).toBeCloseTo(0.02)
    expect(read('hopgate_stage_duration_seconds_sum', { stage: 'forward' })).toBeCloseTo(0.078)
    const route = { route: 'GET /orders/**' }
    expect(read('hopgate_upstream_duration_seconds_sum', route)).toBeCloseTo(0.06)
    expect(read('hopgate_request_body_bytes_total', route)).toBe(10)
    expect(read('hopgate_response_body_bytes_total', route)).toBe(1_000)
    expect(read('hopgate_broken_responses_total', route)).toBe(0)
  })

  it('count a value on a bucket bound into that bucket, and one beyond all into +Inf', async () => {
    for (const forward of [5, 60_000]) sink.write(anAuditEvent({ stageMs: { forward } }))
    const read = await samples()
    const hop = { route: 'GET /orders/**', outcome: 'forwarded' }
    expect(read('hopgate_hop_duration_seconds_bucket', { ...hop, le: '0.0025' })).toBe(0)
    expect(read('hopgate_hop_duration_seconds_bucket', { ...hop, le: '0.005' })).toBe(1)
    expect(read('hopgate_hop_duration_seconds_bucket', { ...hop, le: '30' })).toBe(1)
    expect(read('hopgate_hop_duration_seconds_bucket', { ...hop, le: '+Inf' })).toBe(2)
  })

  it('count responses that broke off', async () => {
    const delivery = { status: 200, upstreamMs: 1, bytesIn: 0, bytesOut: 0, complete: false }
    sink.write(anAuditEvent({ outcome: 'failed', delivery }))
    expect((await samples())('hopgate_broken_responses_total', { route: 'GET /orders/**' })).toBe(1)
  })

  it('count issued tokens by audience and source', async () => {
    for (const source of ['issued', 'memory', 'memory', 'joined', 'redis'] as const) {
      sink.write(anAuditEvent({ outbound: outboundFacts({ source }) }))
    }
    const read = await samples()
    const counts = ['issued', 'memory', 'joined', 'redis'].map(source =>
      read('hopgate_exchanges_total', { audience: 'orders-api', source }),
    )
    expect(counts).toEqual([1, 2, 1, 1])
  })

  it('write label values so that they read back, whatever the configuration holds', async () => {
    const route = 'GET /a"b\\c{d}\ne,f=g'
    sink.write(anAuditEvent({ route }))
    const read = await samples()
    expect(read('hopgate_hop_duration_seconds_count', { route, outcome: 'forwarded' })).toBe(1)
    expect(read('hopgate_request_body_bytes_total', { route })).toBe(0)
  })

  it('stay numbers when a duration is none', async () => {
    sink.write(anAuditEvent({ stageMs: { accept: Number.NaN, forward: -5 } }))
    expect(await sink.metricsText()).not.toMatch(/nan| -/i)
  })

  it('ask for the gauges at the scrape', async () => {
    expect((await samples())('hopgate_hops_in_flight')).toBe(0)
    expect((await samples())('hopgate_audit_accepting')).toBe(1)
    inFlight = 7
    isAuditAccepting = false
    expect((await samples())('hopgate_hops_in_flight')).toBe(7)
    expect((await samples())('hopgate_audit_accepting')).toBe(0)
  })
})

describe('the metrics of background happenings', () => {
  it('count calls to the token endpoint by outcome', async () => {
    channels.tokenEndpoint.publish({ outcome: 'ok', durationMs: 30 })
    channels.tokenEndpoint.publish({ outcome: 'unavailable', durationMs: 2_000 })
    const read = await samples()
    expect(read('hopgate_token_endpoint_duration_seconds_sum', { outcome: 'ok' })).toBeCloseTo(0.03)
    expect(read('hopgate_token_endpoint_duration_seconds_count', { outcome: 'unavailable' })).toBe(1)
  })

  it('count questions about tokens by outcome', async () => {
    channels.introspection.publish({ outcome: 'active', durationMs: 20 })
    channels.introspection.publish({ outcome: 'unavailable', durationMs: 2_000 })
    const read = await samples()
    expect(read('hopgate_introspection_duration_seconds_sum', { outcome: 'active' })).toBeCloseTo(0.02)
    expect(read('hopgate_introspection_duration_seconds_count', { outcome: 'unavailable' })).toBe(1)
  })

  it('count questions to decision points by point and outcome', async () => {
    channels.decisionPoint.publish({ point: 'opa', outcome: 'deny', durationMs: 20 })
    const labels = { point: 'opa', outcome: 'deny' }
    expect((await samples())('hopgate_decision_point_duration_seconds_sum', labels)).toBeCloseTo(0.02)
  })

  it('show one state of the circuit breaker at a time', async () => {
    const states = async () => {
      const read = await samples()
      return ['closed', 'half-open', 'open'].map(state => read('hopgate_breaker_state', { state }))
    }
    expect(await states()).toEqual([1, 0, 0])
    channels.breaker.publish({ state: 'open' })
    expect(await states()).toEqual([0, 0, 1])
    channels.breaker.publish({ state: 'half-open' })
    expect(await states()).toEqual([0, 1, 0])
  })

  it('show whether Redis is up, and nothing before it is used', async () => {
    expect((await samples())('hopgate_redis_up')).toBeUndefined()
    channels.redis.publish({ state: 'down' })
    expect((await samples())('hopgate_redis_up')).toBe(0)
    channels.redis.publish({ state: 'up' })
    expect((await samples())('hopgate_redis_up')).toBe(1)
  })

  it('show what became of a reload', async () => {
    const read = await samples()
    const appliedAt = read('hopgate_config_applied_timestamp_seconds')
    expect(read('hopgate_config_last_reload_successful')).toBe(1)
    expect(read('hopgate_config_reloads_total', { outcome: 'rejected' })).toBe(0)
    channels.reload.publish({ outcome: 'rejected' })
    const rejected = await samples()
    expect(rejected('hopgate_config_last_reload_successful')).toBe(0)
    expect(rejected('hopgate_config_reloads_total', { outcome: 'rejected' })).toBe(1)
    expect(rejected('hopgate_config_applied_timestamp_seconds')).toBe(appliedAt)
    channels.reload.publish({ outcome: 'applied' })
    const applied = await samples()
    expect(applied('hopgate_config_last_reload_successful')).toBe(1)
    expect(applied('hopgate_config_reloads_total', { outcome: 'applied' })).toBe(1)
  })

  it('count key sets, rejected cache entries, answers of the token service and lost audit events', async () => {
    channels.keySet.publish({ issuer: 'https://login.test', outcome: 'failed' })
    channels.cacheRejected.publish({ reason: 'unreadable' })
    channels.tokenService.publish({ endpoint: 'token', kind: 'issued', error: undefined })
    channels.tokenService.publish({ endpoint: 'revocation', kind: 'refused', error: 'invalid_grant' })
    channels.auditLost.publish({ lost: 3 })
    channels.auditLost.publish({ lost: 2 })
    const read = await samples()
    const issuer = 'https://login.test'
    expect(read('hopgate_key_set_fetches_total', { issuer, outcome: 'failed' })).toBe(1)
    expect(read('hopgate_cache_rejected_total', { reason: 'unreadable' })).toBe(1)
    const answers = (labels: Record<string, string>) => read('hopgate_token_service_answers_total', labels)
    expect(answers({ endpoint: 'token', kind: 'issued', error: 'none' })).toBe(1)
    expect(answers({ endpoint: 'revocation', kind: 'refused', error: 'invalid_grant' })).toBe(1)
    expect(read('hopgate_audit_lost_total')).toBe(5)
  })

  it('are no longer counted after close', async () => {
    await sink.close()
    channels.auditLost.publish({ lost: 1 })
    expect((await samples())('hopgate_audit_lost_total')).toBe(0)
    for (const channel of Object.values(channels)) expect(channel.hasSubscribers).toBe(false)
  })
})

describe('the list of metrics', () => {
  it('is what docs/metrics.md says', () => {
    expect(readFileSync(join(projectRoot, 'docs/metrics.md'), 'utf8')).toBe(describeMetrics())
  })

  it('names exactly the metrics that are exposed, with their types and labels', async () => {
    sink.write(anAuditEvent())
    channels.decisionPoint.publish({ point: 'opa', outcome: 'permit', durationMs: 1 })
    channels.introspection.publish({ outcome: 'active', durationMs: 1 })
    channels.tokenEndpoint.publish({ outcome: 'ok', durationMs: 1 })
    channels.keySet.publish({ issuer: 'https://login.test', outcome: 'ok' })
    channels.cacheRejected.publish({ reason: 'unreadable' })
    channels.tokenService.publish({ endpoint: 'token', kind: 'issued', error: undefined })
    channels.clientLimited.publish({ client: 'orders' })
    channels.impersonation.publish({ client: 'orders' })
    channels.policy.publish({ digest: 'a'.repeat(64) })
    channels.redis.publish({ state: 'up' })
    const text = await sink.metricsText()
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
    const rows = Object.entries<MetricRow>(metricTable)
    expect(types.toSorted()).toEqual(rows.map(([name, { type }]) => [name, type]).toSorted())
    for (const [name, { labels, type }] of rows) {
      const sample = text.split('\n').find(line => line.startsWith(name) && !line.startsWith(`${name}_sum`))
      if (name === 'nodejs_gc_duration_seconds' && sample === undefined) continue // no pause yet
      const names = [...(sample ?? '').matchAll(/[{,](\w+)="/g)].map(match => match[1])
      expect(names.filter(label => label !== 'le').toSorted(), name).toEqual([...labels].toSorted())
      expect(sample, name).toMatch(type === 'histogram' ? /_bucket\{/ : /^\w+(\{.*\})? \S+$/)
    }
  })

  it('follows the naming rules of Prometheus', () => {
    for (const [name, { type, labels, buckets }] of Object.entries<MetricRow>(metricTable)) {
      expect(name, name).toMatch(/^(hopgate|process|nodejs)_[a-z0-9_]+$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(name, name).not.toMatch(/_(ms|millis|milliseconds|kb|percent)(_|$)/)
      expect(buckets !== undefined, name).toBe(type === 'histogram')
      expect([...(buckets ?? [])].toSorted((a, b) => a - b)).toEqual([...(buckets ?? [])])
      for (const label of labels) expect(label).toMatch(/^[a-z_]+$/)
    }
  })

  it('says which build this is', async () => {
    const read = await samples()
    expect(read('hopgate_build_info', { version: '1.2.3', node: process.versions.node })).toBe(1)
  })

  it('measures this process', async () => {
    const read = await samples()
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
      'nodejs_external_memory_bytes',
      'nodejs_eventloop_active_seconds_total',
    ]) {
      expect(read(name), name).toBeGreaterThan(0)
    }
    const startedAt = read('process_start_time_seconds') ?? 0
    expect(Math.abs(Date.now() / 1000 - process.uptime() - startedAt)).toBeLessThan(5)
  })
})
