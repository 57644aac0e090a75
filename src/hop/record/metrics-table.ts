/** What a metric means, for the exposition and for `docs/metrics.md`. */
export type MetricRow = {
  readonly help: string
  readonly labels: readonly string[]
} & (
  | { readonly type: 'counter'; readonly buckets?: undefined; readonly across?: undefined }
  | { readonly type: 'gauge'; readonly buckets?: undefined; readonly across: Across }
  | {
      readonly type: 'histogram'
      /** Upper bounds in seconds. */
      readonly buckets: readonly number[]
      readonly across?: undefined
    }
)

/**
 * How the gauges of several processes become one: their `sum`; the `highest` or `lowest` of the workers; the `peak` of
 * all processes since the last scrape, for what each process forgets when it is asked; or what the `primary` says.
 * Counters and histograms are added up.
 */
export type Across = 'sum' | 'highest' | 'lowest' | 'peak' | 'primary'

const requestBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const stageBuckets = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10,
]
const pauseBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1]

/**
 * Every metric, in the order of the documentation. Label values come from the configuration or from closed lists,
 * never from a request, so that no caller can make the list of series grow.
 */
export const metricTable = {
  hopgate_hops_total: {
    type: 'counter',
    help: 'Requests that ended, by outcome. Route and refusal are none where there is none.',
    labels: ['route', 'outcome', 'refusal', 'status_class'],
  },
  hopgate_hop_duration_seconds: {
    type: 'histogram',
    help: 'From the arrival of a request to the end of its answer.',
    labels: ['route', 'outcome'],
    buckets: requestBuckets,
  },
  hopgate_stage_duration_seconds: {
    type: 'histogram',
    help: 'Time in one stage of a hop; forward includes the upstream.',
    labels: ['stage'],
    buckets: stageBuckets,
  },
  hopgate_upstream_duration_seconds: {
    type: 'histogram',
    help: "From the first byte sent upstream to the response's headers.",
    labels: ['route'],
    buckets: requestBuckets,
  },
  hopgate_request_body_bytes_total: {
    type: 'counter',
    help: 'Body bytes forwarded to the upstream.',
    labels: ['route'],
  },
  hopgate_response_body_bytes_total: {
    type: 'counter',
    help: 'Body bytes forwarded to callers.',
    labels: ['route'],
  },
  hopgate_broken_responses_total: {
    type: 'counter',
    help: 'Responses that broke off after their headers.',
    labels: ['route'],
  },
  hopgate_impersonations_total: {
    type: 'counter',
    help: 'Requests that were permitted as an impersonation: nobody but the subject is named in the issued token.',
    labels: ['route'],
  },
  hopgate_hops_in_flight: {
    type: 'gauge',
    help: 'Requests under way.',
    labels: [],
    across: 'sum',
  },
  hopgate_exchanges_total: {
    type: 'counter',
    help: 'Issued tokens used, by where they came from: issued, joined (shared an exchange under way), memory or redis.',
    labels: ['audience', 'source'],
  },
  hopgate_token_endpoint_duration_seconds: {
    type: 'histogram',
    help: 'Calls to the token endpoint: ok, rejected, malformed or unavailable.',
    labels: ['outcome'],
    buckets: requestBuckets,
  },
  hopgate_introspection_duration_seconds: {
    type: 'histogram',
    help: 'Questions to issuers about tokens: active, inactive or unavailable. Answers that were remembered are not in it.',
    labels: ['outcome'],
    buckets: requestBuckets,
  },
  hopgate_decision_point_duration_seconds: {
    type: 'histogram',
    help: 'Questions to decision points: permit, deny or unavailable. Decisions that were remembered are not in it.',
    labels: ['point', 'outcome'],
    buckets: requestBuckets,
  },
  hopgate_breaker_state: {
    type: 'gauge',
    help: "1 for the state that the token endpoint's circuit breaker is in: closed, half-open or open.",
    labels: ['state'],
    across: 'highest',
  },
  hopgate_token_service_answers_total: {
    type: 'counter',
    help: 'Requests that the own token service answered: issued, revoked, active, inactive or refused; error is the OAuth error code, or none.',
    labels: ['endpoint', 'kind', 'error'],
  },
  hopgate_token_service_impersonations_total: {
    type: 'counter',
    help: 'Tokens that the own token service issued as an impersonation.',
    labels: ['client'],
  },
  hopgate_token_service_rate_limited_total: {
    type: 'counter',
    help: "Requests to the own token service beyond the client's rate limit. They are among the answers that were refused.",
    labels: ['client'],
  },
  hopgate_key_set_fetches_total: {
    type: 'counter',
    help: "Loads of an issuer's keys: ok or failed.",
    labels: ['issuer', 'outcome'],
  },
  hopgate_redis_up: {
    type: 'gauge',
    help: 'Whether Redis answers. Absent until it is first used.',
    labels: [],
    across: 'lowest',
  },
  hopgate_cache_rejected_total: {
    type: 'counter',
    help: 'Entries in Redis that did not open: somebody else wrote them, or they were damaged.',
    labels: ['reason'],
  },
  hopgate_audit_accepting: {
    type: 'gauge',
    help: 'Whether the audit trail takes events: 0 while the next one could be lost.',
    labels: [],
    across: 'lowest',
  },
  hopgate_audit_lost_total: {
    type: 'counter',
    help: 'Audit events that could not be kept.',
    labels: [],
  },
  hopgate_config_reloads_total: {
    type: 'counter',
    help: 'Times that the configuration was read again: applied or rejected.',
    labels: ['outcome'],
  },
  hopgate_config_last_reload_successful: {
    type: 'gauge',
    help: 'Whether the configuration on disk is the one that runs.',
    labels: [],
    across: 'primary',
  },
  hopgate_config_applied_timestamp_seconds: {
    type: 'gauge',
    help: 'When the configuration that runs was applied.',
    labels: [],
    across: 'primary',
  },
  hopgate_workers: {
    type: 'gauge',
    help: 'Processes that take requests now.',
    labels: [],
    across: 'primary',
  },
  hopgate_worker_exits_total: {
    type: 'counter',
    help: 'Workers that ended without being told to, and were replaced.',
    labels: [],
  },
  hopgate_worker_hops_total: {
    type: 'counter',
    help: 'Requests that ended, by the number of the worker. Connections are not spread evenly; this shows how.',
    labels: ['worker'],
  },
  hopgate_build_info: {
    type: 'gauge',
    help: '1, with the versions of Hopgate and Node.js.',
    labels: ['version', 'node'],
    across: 'primary',
  },
  hopgate_policy_info: {
    type: 'gauge',
    help: '1, with the first characters of the digest of the policy in force; the same everywhere when everybody has the same policy. Absent without one.',
    labels: ['digest'],
    across: 'highest',
  },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time used, user and system.',
    labels: [],
  },
  process_resident_memory_bytes: { type: 'gauge', help: 'Memory in RAM.', labels: [], across: 'sum' },
  process_start_time_seconds: {
    type: 'gauge',
    help: 'When the process started.',
    labels: [],
    across: 'primary',
  },
  process_open_fds: {
    type: 'gauge',
    help: 'Open file descriptors. Linux only.',
    labels: [],
    across: 'highest',
  },
  process_max_fds: {
    type: 'gauge',
    help: 'Limit of open file descriptors. Linux only.',
    labels: [],
    across: 'lowest',
  },
  nodejs_heap_size_total_bytes: {
    type: 'gauge',
    help: 'Size of the JavaScript heap.',
    labels: [],
    across: 'sum',
  },
  nodejs_heap_size_used_bytes: {
    type: 'gauge',
    help: 'Used part of the JavaScript heap.',
    labels: [],
    across: 'sum',
  },
  nodejs_external_memory_bytes: {
    type: 'gauge',
    help: 'Memory outside the heap that JavaScript objects hold, such as buffers.',
    labels: [],
    across: 'sum',
  },
  nodejs_eventloop_active_seconds_total: {
    type: 'counter',
    help: 'Time in which the event loop did not wait; its rate is the share of one core that is in use.',
    labels: [],
  },
  nodejs_eventloop_lag_p50_seconds: {
    type: 'gauge',
    help: 'Median delay of the event loop since the last scrape.',
    labels: [],
    across: 'peak',
  },
  nodejs_eventloop_lag_p99_seconds: {
    type: 'gauge',
    help: '99th percentile of the delay of the event loop since the last scrape.',
    labels: [],
    across: 'peak',
  },
  nodejs_eventloop_lag_max_seconds: {
    type: 'gauge',
    help: 'Longest delay of the event loop since the last scrape.',
    labels: [],
    across: 'peak',
  },
  nodejs_gc_duration_seconds: {
    type: 'histogram',
    help: 'Pauses for garbage collection: minor, major, incremental or weakcb.',
    labels: ['kind'],
    buckets: pauseBuckets,
  },
} as const satisfies Record<string, MetricRow>

export type MetricName = keyof typeof metricTable

/** The names of one type. */
export type NameOf<T extends MetricRow['type']> = {
  [N in MetricName]: (typeof metricTable)[N]['type'] extends T ? N : never
}[MetricName]

/** A metric's label values, by name. */
export type LabelsOf<N extends MetricName> = Readonly<
  Record<(typeof metricTable)[N]['labels'][number], string>
>
