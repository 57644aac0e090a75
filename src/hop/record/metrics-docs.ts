import { type Across, type MetricRow, metricTable } from './metrics-table.ts'

const acrossWords: Readonly<Record<Across, string>> = {
  sum: 'of all processes together',
  highest: 'the highest of the workers',
  lowest: 'the lowest of the workers',
  peak: 'the highest of all processes since the last scrape',
  primary: 'of the first process, which leads the others',
}

/** `docs/metrics.md`, written from the table of metrics. */
export function describeMetrics(): string {
  const rows = Object.entries<MetricRow>(metricTable).map(
    ([name, { type, labels, help }]) =>
      `| \`${name}\` | ${type} | ${labels.map(label => `\`${label}\``).join(', ')} | ${help} |`,
  )
  const buckets = Object.entries<MetricRow>(metricTable).flatMap(([name, row]) =>
    row.buckets === undefined ? [] : [`| \`${name}\` | ${row.buckets.join(', ')} |`],
  )
  const gauges = Object.entries<MetricRow>(metricTable).flatMap(([name, { across }]) =>
    across === undefined ? [] : [`| \`${name}\` | ${acrossWords[across]} |`],
  )
  return `# Metrics

Served as Prometheus text at \`/metrics\` on the admin address. Generated from \`src/hop/record/metrics-table.ts\` by
\`npm run generate\`; a test compares.

Hops are counted from the audit events themselves, so the two cannot differ. Label values come from the configuration
or from closed lists, never from a request: no caller can make the number of series grow. Refusal codes are those of
[errors.md](errors.md); \`none\` stands for no route or no refusal.

| metric | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}

## Buckets

Upper bounds in seconds.

| histogram | buckets |
|---|---|
${buckets.join('\n')}

## Several workers

With \`workers\` above 1 all processes are one target. Counters and histograms are sums; what a worker counted stays in
them when it has ended, so they never go back. A worker that is killed takes with it what it counted in its last five
seconds. Gauges:

| gauge | value |
|---|---|
${gauges.join('\n')}

## Questions they answer

| question | expression |
|---|---|
| share of requests that failed | \`sum(rate(hopgate_hops_total{outcome="failed"}[5m])) / sum(rate(hopgate_hops_total[5m]))\` |
| why requests are refused | \`sum by (refusal) (rate(hopgate_hops_total{outcome="refused"}[5m]))\` |
| share of hops served from a cache | \`sum(rate(hopgate_exchanges_total{source=~"memory\\|redis"}[5m])) / sum(rate(hopgate_exchanges_total[5m]))\` |
| what the exchange adds, 99th percentile | \`histogram_quantile(0.99, sum by (le) (rate(hopgate_stage_duration_seconds_bucket{stage="exchange"}[5m])))\` |
| is the token endpoint in trouble | \`hopgate_breaker_state{state="open"} == 1\` |
| does the configuration on disk run | \`hopgate_config_last_reload_successful == 0\` |
| is the audit trail complete | \`increase(hopgate_audit_lost_total[1h]) > 0 or hopgate_audit_accepting == 0\` |
`
}
