import type { Channel } from 'node:diagnostics_channel'
import { channels } from '../../base/channels.ts'
import type { MetricsRegistry } from './metrics-registry.ts'
import type { Counter } from './metrics-samples.ts'

/** Values that are not in a closed list, such as issuers, are counted together as `other` beyond this many. */
const maxValues = 100
const breakerStates = ['closed', 'half-open', 'open'] as const

/**
 * Counts what is announced on `channels`, of this whole process.
 *
 * @returns stops listening
 */
export function countBackground(registry: MetricsRegistry): () => void {
  const stops: (() => void)[] = []
  const on = <M>(channel: Channel, count: (message: M) => void): void => {
    const listener = (message: unknown): void => count(message as M)
    channel.subscribe(listener)
    stops.push(() => channel.unsubscribe(listener))
  }

  const tokenEndpoint = registry.histogram('hopgate_token_endpoint_duration_seconds')
  const outcome = boundedValues()
  on<{ outcome: string; durationMs: number }>(channels.tokenEndpoint, message =>
    tokenEndpoint.cell({ outcome: outcome(message.outcome) }).observe(message.durationMs / 1000),
  )

  const introspection = registry.histogram('hopgate_introspection_duration_seconds')
  on<{ outcome: 'active' | 'inactive' | 'unavailable'; durationMs: number }>(
    channels.introspection,
    message => introspection.cell({ outcome: message.outcome }).observe(message.durationMs / 1000),
  )

  const decisionPoint = registry.histogram('hopgate_decision_point_duration_seconds')
  const point = boundedValues()
  on<{ point: string; outcome: 'permit' | 'deny' | 'unavailable'; durationMs: number }>(
    channels.decisionPoint,
    message =>
      decisionPoint
        .cell({ point: point(message.point), outcome: message.outcome })
        .observe(message.durationMs / 1000),
  )

  const breaker = registry.gauge('hopgate_breaker_state')
  const showBreaker = (current: string): void => {
    for (const state of breakerStates) breaker.set(state === current ? 1 : 0, { state })
  }
  showBreaker('closed')
  on<{ state: string }>(channels.breaker, message => showBreaker(message.state))

  const answers = registry.counter('hopgate_token_service_answers_total')
  const error = boundedValues()
  on<{ endpoint: string; kind: string; error: string | undefined }>(channels.tokenService, message =>
    answers.inc({
      endpoint: message.endpoint,
      kind: message.kind,
      error: error(message.error ?? 'none'),
    }),
  )

  const impersonations = registry.counter('hopgate_token_service_impersonations_total')
  const impersonating = boundedValues()
  on<{ client: string }>(channels.impersonation, message =>
    impersonations.inc({ client: impersonating(message.client) }),
  )

  const policy = registry.gauge('hopgate_policy_info')
  on<{ digest: string }>(channels.policy, message => {
    policy.reset()
    policy.set(1, { digest: message.digest.slice(0, 12) })
  })

  const rateLimited = registry.counter('hopgate_token_service_rate_limited_total')
  const limitedClient = boundedValues()
  on<{ client: string }>(channels.clientLimited, message =>
    rateLimited.inc({ client: limitedClient(message.client) }),
  )

  const keySets = registry.counter('hopgate_key_set_fetches_total')
  const issuer = boundedValues()
  on<{ issuer: string; outcome: string }>(channels.keySet, message =>
    keySets.inc({ issuer: issuer(message.issuer), outcome: message.outcome }),
  )

  const redisUp = registry.gauge('hopgate_redis_up')
  redisUp.remove() // no Redis is not a Redis that is down
  on<{ state: string }>(channels.redis, message => redisUp.set(message.state === 'up' ? 1 : 0))

  const cacheRejected = registry.counter('hopgate_cache_rejected_total')
  const reason = boundedValues()
  on<{ reason: string }>(channels.cacheRejected, message =>
    cacheRejected.inc({ reason: reason(message.reason) }),
  )

  const auditLost = registry.counter('hopgate_audit_lost_total')
  on<{ lost: number }>(channels.auditLost, message => auditLost.inc({}, message.lost))

  const workerExits = registry.counter('hopgate_worker_exits_total')
  on(channels.workerExit, () => workerExits.inc())

  const reloads = registry.counter('hopgate_config_reloads_total')
  const lastReload = registry.gauge('hopgate_config_last_reload_successful')
  const appliedAt = registry.gauge('hopgate_config_applied_timestamp_seconds')
  lastReload.set(1)
  appliedAt.set(Date.now() / 1000)
  on<{ outcome: string }>(channels.reload, message => {
    const isApplied = message.outcome === 'applied'
    reloads.inc({ outcome: isApplied ? 'applied' : 'rejected' })
    lastReload.set(isApplied ? 1 : 0)
    if (isApplied) appliedAt.set(Date.now() / 1000)
  })
  showZero(reloads, 'outcome', ['applied', 'rejected'])

  return () => {
    for (const stop of stops) stop()
  }
}

/** A series that is there from the start, so that its first increase is one. */
function showZero(counter: Counter, label: string, values: readonly string[]): void {
  for (const value of values) counter.inc({ [label]: value }, 0)
}

function boundedValues(): (value: string) => string {
  const known = new Set<string>()
  return value => {
    if (known.has(value)) return value
    if (known.size >= maxValues) return 'other'
    known.add(value)
    return value
  }
}
