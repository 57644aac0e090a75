import type { AuditEvent, StageName } from '../../model/audit-event.ts'
import type { TokenSource } from '../../model/issued-token.ts'
import type { RefusalCode } from '../../model/refusal.ts'
import type { Histogram, HistogramCell } from './metrics-histogram.ts'
import type { MetricsRegistry } from './metrics-registry.ts'
import type { Counter } from './metrics-samples.ts'

type Outcome = AuditEvent['outcome']

/** More routes or audiences than this, after many reloads, are counted together as `other`. */
const maxNames = 2_000
const none = 'none'
const other = 'other'

interface Tally {
  readonly labels: Readonly<Record<string, string>>
  count: number
}

/** Counts audit events. An event costs a few look-ups in small maps; samples are put together when scraped. */
export class HopMetrics {
  readonly #routes = new Map<string, RouteMetrics>()
  readonly #exchanges = new Map<string, Map<TokenSource, number>>()
  readonly #stages: Readonly<Record<StageName, HistogramCell>>
  readonly #durations: Histogram<'hopgate_hop_duration_seconds'>
  readonly #upstream: Histogram<'hopgate_upstream_duration_seconds'>

  constructor(registry: MetricsRegistry, worker: number) {
    registry.counter('hopgate_hops_total', counter => countAnew(counter, this.#hops()))
    registry.counter('hopgate_worker_hops_total', counter => countAnew(counter, this.#allHops(`${worker}`)))
    this.#durations = registry.histogram('hopgate_hop_duration_seconds')
    const stages = registry.histogram('hopgate_stage_duration_seconds')
    this.#stages = {
      accept: stages.cell({ stage: 'accept' }),
      authenticate: stages.cell({ stage: 'authenticate' }),
      authorize: stages.cell({ stage: 'authorize' }),
      exchange: stages.cell({ stage: 'exchange' }),
      forward: stages.cell({ stage: 'forward' }),
    }
    this.#upstream = registry.histogram('hopgate_upstream_duration_seconds')
    registry.counter('hopgate_request_body_bytes_total', counter =>
      countAnew(counter, this.#perRoute('bytesIn')),
    )
    registry.counter('hopgate_response_body_bytes_total', counter =>
      countAnew(counter, this.#perRoute('bytesOut')),
    )
    registry.counter('hopgate_broken_responses_total', counter =>
      countAnew(counter, this.#perRoute('broken')),
    )
    registry.counter('hopgate_impersonations_total', counter =>
      countAnew(counter, this.#perRoute('impersonations')),
    )
    registry.counter('hopgate_exchanges_total', counter => countAnew(counter, this.#exchangesBySource()))
  }

  /** Counts one event. */
  count(event: AuditEvent): void {
    const route = this.#route(event.route ?? none)
    route.countHop(event)
    route.duration(event.outcome).observe(this.#observeStages(event.stageMs) / 1000)
    const { delivery, outbound, decision } = event
    if (decision?.mode === 'impersonation') route.impersonations++
    if (delivery !== undefined) route.countDelivery(delivery)
    if (outbound !== undefined) this.#countExchange(outbound.audience, outbound.source)
  }

  #route(id: string): RouteMetrics {
    const known = this.#routes.get(id)
    if (known !== undefined) return known
    const name = this.#routes.size < maxNames ? id : other
    let route = this.#routes.get(name)
    if (route === undefined) {
      route = new RouteMetrics(name, this.#durations, this.#upstream)
      this.#routes.set(name, route)
    }
    return route
  }

  /** @returns the milliseconds of all stages */
  #observeStages(stageMs: AuditEvent['stageMs']): number {
    const stages = this.#stages
    return (
      observeStage(stages.accept, stageMs.accept) +
      observeStage(stages.authenticate, stageMs.authenticate) +
      observeStage(stages.authorize, stageMs.authorize) +
      observeStage(stages.exchange, stageMs.exchange) +
      observeStage(stages.forward, stageMs.forward)
    )
  }

  #countExchange(audience: string, source: TokenSource): void {
    let bySource = this.#exchanges.get(audience)
    if (bySource === undefined) {
      const name = this.#exchanges.size < maxNames ? audience : other
      bySource = this.#exchanges.get(name) ?? new Map()
      this.#exchanges.set(name, bySource)
    }
    bySource.set(source, (bySource.get(source) ?? 0) + 1)
  }

  *#hops(): Iterable<Tally> {
    for (const route of this.#routes.values()) yield* route.hops()
  }

  *#allHops(worker: string): Iterable<Tally> {
    let count = 0
    for (const hop of this.#hops()) count += hop.count
    if (count > 0) yield { labels: { worker }, count }
  }

  *#perRoute(what: 'bytesIn' | 'bytesOut' | 'broken' | 'impersonations'): Iterable<Tally> {
    for (const route of this.#routes.values()) yield { labels: { route: route.name }, count: route[what] }
  }

  *#exchangesBySource(): Iterable<Tally> {
    for (const [audience, bySource] of this.#exchanges) {
      for (const [source, count] of bySource) yield { labels: { audience, source }, count }
    }
  }
}

/** What is counted for one route. */
class RouteMetrics {
  readonly name: string
  impersonations = 0
  bytesIn = 0
  bytesOut = 0
  broken = 0
  readonly #durations: Histogram<'hopgate_hop_duration_seconds'>
  readonly #upstream: Histogram<'hopgate_upstream_duration_seconds'>
  readonly #durationCells = new Map<Outcome, HistogramCell>()
  #upstreamCell: HistogramCell | undefined
  /** By refusal, then by class of status, then by outcome. */
  readonly #hops = new Map<RefusalCode | undefined, Map<number, Map<Outcome, Tally>>>()

  constructor(
    name: string,
    durations: Histogram<'hopgate_hop_duration_seconds'>,
    upstream: Histogram<'hopgate_upstream_duration_seconds'>,
  ) {
    this.name = name
    this.#durations = durations
    this.#upstream = upstream
  }

  countHop({ refusal, status, outcome }: AuditEvent): void {
    const statusClass = Math.floor(status / 100)
    const tally = this.#hops.get(refusal)?.get(statusClass)?.get(outcome)
    if (tally === undefined) this.#addTally(refusal, statusClass, outcome)
    else tally.count++
  }

  duration(outcome: Outcome): HistogramCell {
    let cell = this.#durationCells.get(outcome)
    if (cell === undefined) {
      cell = this.#durations.cell({ route: this.name, outcome })
      this.#durationCells.set(outcome, cell)
    }
    return cell
  }

  countDelivery(delivery: NonNullable<AuditEvent['delivery']>): void {
    this.#upstreamCell ??= this.#upstream.cell({ route: this.name })
    this.#upstreamCell.observe(delivery.upstreamMs / 1000)
    this.bytesIn += delivery.bytesIn
    this.bytesOut += delivery.bytesOut
    if (!delivery.complete) this.broken++
  }

  *hops(): Iterable<Tally> {
    for (const byClass of this.#hops.values()) {
      for (const byOutcome of byClass.values()) yield* byOutcome.values()
    }
  }

  #addTally(refusal: RefusalCode | undefined, statusClass: number, outcome: Outcome): void {
    const byClass = this.#hops.get(refusal) ?? new Map<number, Map<Outcome, Tally>>()
    const byOutcome = byClass.get(statusClass) ?? new Map<Outcome, Tally>()
    const status = statusClass >= 1 && statusClass <= 5 ? `${statusClass}xx` : none
    const labels = { route: this.name, outcome, refusal: refusal ?? none, status_class: status }
    this.#hops.set(refusal, byClass.set(statusClass, byOutcome.set(outcome, { labels, count: 1 })))
  }
}

function observeStage(cell: HistogramCell, ms: number | undefined): number {
  if (ms === undefined) return 0
  cell.observe(ms / 1000)
  return ms
}

function countAnew(counter: Counter, tallies: Iterable<Tally>): void {
  counter.reset()
  for (const { labels, count } of tallies) counter.inc({ ...labels }, count)
}
