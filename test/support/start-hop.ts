import { type Sidecar, startSidecar } from '../../src/assemble/sidecar.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { LineWriter } from '../../src/base/line-writer.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { formatProblems } from '../../src/config/config-problem.ts'
import { parseSidecarConfig } from '../../src/config/parse-sidecar.ts'
import type { SidecarConfig } from '../../src/config/sidecar-config.ts'
import { createMemoryWriter } from './memory-writer.ts'
import { createTestIssuer, type TestIssuer } from './tokens.ts'
import { startUpstream, type Upstream } from './upstream.ts'

/** The data of an audit line, as far as tests look at it. */
export interface RecordedEvent {
  readonly type: string
  readonly outcome: string
  readonly status: number
  readonly refusal?: string
  readonly detail?: string
  readonly [field: string]: unknown
}

/** A whole sidecar on free ports, before a recording upstream, with a memory instead of an audit file. */
export interface RunningHop {
  readonly sidecar: Sidecar
  readonly port: number
  readonly url: string
  readonly adminUrl: string
  readonly upstream: Upstream
  /** Its tokens are accepted: audience `shop-web`, scopes of the routes. */
  readonly issuer: TestIssuer
  /** The audit lines of hops, as text. */
  readonly lines: readonly string[]
  /** The audit lines of the embedded token service. */
  readonly tokenLines: readonly string[]
  /** The operator's log. */
  readonly log: readonly string[]
  /** Resolves with the audit event at `index`, counted from 0. */
  event(index?: number): Promise<RecordedEvent>
  close(): Promise<void>
}

export interface HopOptions {
  /** YAML of the `routes` list's items; default: one protected route and one public one. */
  readonly routes?: string
  /** YAML of further top-level keys. */
  readonly more?: string
  /** YAML of further keys of the issuer. */
  readonly issuerRules?: string
  readonly issuer?: TestIssuer
  readonly upstream?: Upstream
  /** YAML of `listen`; default: a free port of loopback. */
  readonly listen?: string
  /** YAML of further keys of `upstream`, such as `tls: { ca: ca.pem }`. */
  readonly upstreamKeys?: string
  /** YAML of the issuer's `keys`; default: the test issuer's, inline. */
  readonly issuerKeys?: string
  /** YAML of `exchange`; default: the embedded token service. `${TEST_SECRET}` is set. */
  readonly exchange?: string
  /** Takes the audit lines instead of {@link RunningHop.lines}. */
  readonly auditWriter?: LineWriter
  readonly clock?: Clock
}

export const usualRoutes = `
  - path: /orders/**
    audience: orders-api
    scope: orders:read
    ttl: 60s
  - path: /public/**
    public: true
`

/** Starts a sidecar with the embedded token service. */
export async function startHop(options: HopOptions = {}): Promise<RunningHop> {
  const issuer = options.issuer ?? (await createTestIssuer({ issuer: 'https://login.test' }))
  const upstream = options.upstream ?? (await startUpstream())
  const memory = createMemoryWriter()
  const tokenLines: string[] = []
  const log: string[] = []
  const config = readConfig(hopYaml(issuer, upstream.url, options))
  const sidecar = await startSidecar(config, {
    log: keepLog(log),
    auditWriter: splitLines(options.auditWriter ?? memory, tokenLines),
    ...(options.clock !== undefined && { clock: options.clock }),
  })
  return {
    sidecar,
    url: sidecar.url,
    port: Number(new URL(sidecar.url).port),
    adminUrl: sidecar.adminUrl,
    upstream,
    issuer,
    lines: memory.lines,
    tokenLines,
    log,
    event: (index = 0) => waitForEvent(memory.lines, index),
    async close() {
      await sidecar.close()
      if (options.upstream === undefined) await upstream.close()
    },
  }
}

/** The YAML of {@link startHop}, for tests that change or reload it. */
export function hopYaml(issuer: TestIssuer, upstream: string, options: HopOptions = {}): string {
  return `
service: orders
listen: ${options.listen ?? '127.0.0.1:0'}
admin: 127.0.0.1:0
upstream: ${options.upstreamKeys === undefined ? upstream : `{ url: '${upstream}', ${options.upstreamKeys} }`}
issuers:
  - issuer: ${issuer.issuer}
    audience: [shop-web]
    keys: ${options.issuerKeys ?? `{ inline: ${JSON.stringify(issuer.jwks)} }`}
${options.issuerRules ?? ''}
${options.exchange === undefined ? "sts: { issuer: 'http://127.0.0.1:9' }" : `exchange: ${options.exchange}`}
routes:
${options.routes ?? usualRoutes}
${options.more ?? ''}
`
}

/**
 * Reads YAML that must be good. A machine that many tests share makes event loops late: only a test that is about that
 * has little patience.
 */
export function readConfig(yaml: string): SidecarConfig {
  const parsed = parseSidecarConfig(yaml, {
    file: 'test.yaml',
    env: { ...process.env, TEST_SECRET: 'test-secret' },
  })
  if (!parsed.ok) throw new Error(formatProblems(parsed.error))
  if (yaml.includes('event_loop_delay')) return parsed.value
  return { ...parsed.value, limits: { ...parsed.value.limits, eventLoopDelayMs: 60_000 } }
}

/** Writes the audit lines of hops, and sets those of the embedded token service apart. */
function splitLines(hops: LineWriter, tokens: string[]): LineWriter {
  return {
    write: line => (line.includes('"type":"io.hopgate.hop.') ? hops.write(line) : tokens.push(line) > 0),
    isAccepting: () => hops.isAccepting(),
    reopen: () => hops.reopen(),
    close: () => hops.close(),
  }
}

function keepLog(lines: string[]): Log {
  const keep = (message: string, fields?: unknown) => {
    lines.push(JSON.stringify({ message, fields }))
  }
  return { ...silentLog, info: keep, warn: keep, error: keep }
}

/** Resolves with the audit event that is or will be at `index`. */
export async function waitForEvent(lines: readonly string[], index: number): Promise<RecordedEvent> {
  const deadline = Date.now() + 5_000
  while (Date.now() < deadline) {
    const line = lines[index]
    if (line !== undefined) {
      const event = JSON.parse(line)
      return { ...event.data, type: event.type }
    }
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  throw new Error(`no audit event ${index}; there are ${lines.length}`)
}
