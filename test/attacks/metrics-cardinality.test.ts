import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { channels } from '../../src/base/channels.ts'
import { createMetricsSink, type MetricsSink } from '../../src/hop/record/metrics-sink.ts'
import { anAuditEvent, aRefusedEvent, inboundFacts, outboundFacts } from '../support/audit-event.ts'
import { readSamples } from '../support/metrics-text.ts'

// Every set of label values is a series that the process and the monitoring behind it keep for ever. Whoever can put a
// word of their own into a label makes as many as they like: random paths, subjects, methods, key ids, statuses.

let sink: MetricsSink
beforeEach(() => {
  sink = createMetricsSink({ version: '0', hopsInFlight: () => 0, isAuditAccepting: () => true })
})
afterEach(() => sink.close())

const seriesOf = async (): Promise<string[]> => seriesIn(await sink.metricsText())

function seriesIn(text: string): string[] {
  return text
    .split('\n')
    .filter(line => line.startsWith('hopgate_'))
    .map(line => line.slice(0, line.lastIndexOf(' ')))
}

describe('what a caller chooses', () => {
  it('makes no series: path, subject, client, token id, peer, method, detail, ids', async () => {
    sink.write(anAuditEvent())
    sink.write(aRefusedEvent())
    const before = await seriesOf()
    for (let i = 0; i < 5_000; i++) {
      const random = randomUUID()
      const inbound = inboundFacts({ subject: random, clientId: random, tokenId: random, issuer: random })
      const chosen = { path: `/${random}`, method: random, peer: random, detail: random, requestId: random }
      sink.write(
        anAuditEvent({ ...chosen, inbound, id: random, decision: { rule: random, effect: 'permit' } }),
      )
      sink.write(aRefusedEvent({ ...chosen, id: random }))
    }
    expect(await seriesOf()).toEqual(before)
  })

  it('makes no series for each status that the upstream can be made to answer', async () => {
    for (let status = 100; status < 1_000; status++) {
      const delivery = { status, upstreamMs: 1, bytesIn: 0, bytesOut: 0, complete: true }
      sink.write(anAuditEvent({ status, delivery }))
    }
    const classes = (await seriesOf()).filter(series => series.startsWith('hopgate_hops_total'))
    expect(classes).toHaveLength(6)
  })

  it('is not in any label, while the counts are right', async () => {
    for (let i = 0; i < 100; i++) sink.write(aRefusedEvent({ path: `/attack-${i}`, method: `M${i}` }))
    const text = await sink.metricsText()
    expect(text).not.toMatch(/attack|M\d/)
    const none = { route: 'none', outcome: 'refused', refusal: 'route.not_found', status_class: '4xx' }
    expect(readSamples(text)('hopgate_hops_total', none)).toBe(100)
  })
})

describe('what should come from the configuration, should it ever not', () => {
  it('ends at a bound for routes and audiences, and goes on being counted', async () => {
    for (let i = 0; i < 10_000; i++) {
      sink.write(anAuditEvent({ route: `route ${i}`, outbound: outboundFacts({ audience: `aud ${i}` }) }))
    }
    const text = await sink.metricsText()
    const series = seriesIn(text)
    expect(series.filter(one => one.startsWith('hopgate_hops_total')).length).toBeLessThanOrEqual(2_001)
    expect(series.filter(one => one.startsWith('hopgate_exchanges_total')).length).toBeLessThanOrEqual(2_001)
    const read = readSamples(text.replace(/^hopgate_(hop|upstream)_duration.*$/gm, ''))
    const other = { route: 'other', outcome: 'forwarded', refusal: 'none', status_class: '2xx' }
    expect(read('hopgate_hops_total', other)).toBe(8_000)
    expect(read('hopgate_exchanges_total', { audience: 'other', source: 'memory' })).toBe(8_000)
  })

  it('ends at a bound for issuers, reasons, errors and outcomes of background happenings', async () => {
    for (let i = 0; i < 1_000; i++) {
      channels.keySet.publish({ issuer: `https://${i}.test`, outcome: 'ok' })
      channels.cacheRejected.publish({ reason: `reason ${i}` })
      channels.tokenService.publish({ endpoint: 'token', kind: 'refused', error: `error ${i}` })
      channels.tokenEndpoint.publish({ outcome: `outcome ${i}`, durationMs: 1 })
    }
    const series = await seriesOf()
    for (const name of [
      'hopgate_key_set_fetches_total',
      'hopgate_cache_rejected_total',
      'hopgate_token_service_answers_total',
      'hopgate_token_endpoint_duration_seconds_count',
    ]) {
      expect(series.filter(one => one.startsWith(name)).length, name).toBeLessThanOrEqual(101)
    }
    const read = readSamples(await sink.metricsText())
    expect(read('hopgate_key_set_fetches_total', { issuer: 'other', outcome: 'ok' })).toBe(900)
  })
})
