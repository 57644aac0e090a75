import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { secretForms } from '../support/no-token.ts'
import { startRedis } from '../support/redis.ts'
import { createTestIssuer } from '../support/tokens.ts'
import { createCallers, keepCalling } from './callers.ts'
import { describeGrowth, type Sample, sample } from './growth.ts'
import { startLogin } from './login.ts'
import { startProcess } from './processes.ts'
import { Tally } from './tally.ts'
import { startUpstreams } from './upstreams.ts'

/**
 * Lets a hub and two sidecars work for a while, with every protocol at once, while tokens end, signing keys change, Redis
 * goes and comes back, and the upstream breaks off; then says what was not as it should be. Exit code 0: nothing.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    pause: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const durationMs = Number(values.minutes) * 60_000
const pauseMs = Number(values.pause)
const every = { keyMs: 45_000, redisMs: 40_000, sampleMs: 5_000 }

// Children are killed and files removed when this process exits, and a signal alone does not make it do so.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const folder = mkdtempSync(join(tmpdir(), 'hopgate-soak-'))
const failures: string[] = []
await using stack = new AsyncDisposableStack()
process.once('exit', () => {
  if (!values.keep) rmSync(folder, { recursive: true, force: true })
})
const redis = await startRedis({ faults: true })
stack.defer(() => redis.stop())
const login = await startLogin(every.keyMs)
stack.defer(() => login.close())
const upstreams = await startUpstreams()
stack.defer(() => upstreams.close())

const [hubPort, hubAdmin, httpPort, httpAdmin, grpcPort, grpcAdmin] = (await Promise.all(
  Array.from({ length: 6 }, () => findFreePort()),
)) as [number, number, number, number, number, number]
const hubUrl = `http://127.0.0.1:${hubPort}`
const client = await createTestIssuer({ kid: 'orders-1' })
const keyFile = join(folder, 'orders.jwk')
writeFileSync(
  keyFile,
  JSON.stringify({ ...client.privateKey.export({ format: 'jwk' }), kid: client.kid, alg: client.algorithm }),
  { mode: 0o600 },
)
const issuers = [{ issuer: login.issuer, audience: ['shop-web'], keys: { jwks_uri: login.jwksUri } }]
const hub = await startProcess(folder, 'hub', 'hub', hubAdmin, {
  listen: `127.0.0.1:${hubPort}`,
  sts: {
    issuer: hubUrl,
    issuers,
    clients: [
      {
        id: 'orders',
        jwks: { inline: client.jwks },
        accepts: ['shop-web'],
        audiences: { 'orders-api': { scope: 'orders:read', ttl: '30s' } },
      },
    ],
  },
})
const sidecar = (listen: number, upstream: unknown, routes: unknown): Readonly<Record<string, unknown>> => ({
  service: 'orders',
  listen: `127.0.0.1:${listen}`,
  upstream,
  issuers,
  exchange: { server: hubUrl, client: { key: keyFile } },
  cache: { redis: redis.url, prefix: redis.prefix },
  // A machine that is busy with other things sheds no load here. Connections end often, so that their ends are tried too.
  limits: { event_loop_delay: '1m', requests_per_connection: 2_000 },
  routes,
})
const protectedBy = { audience: 'orders-api', scope: 'orders:read' }
const http = await startProcess(folder, 'http', 'run', httpAdmin, {
  ...sidecar(httpPort, upstreams.httpUrl, [
    { path: '/orders/**', ...protectedBy },
    { path: '/orders/live', ...protectedBy, websocket: true },
    { path: '/public/**', public: true },
  ]),
})
const grpc = await startProcess(
  folder,
  'grpc',
  'run',
  grpcAdmin,
  sidecar(grpcPort, { url: upstreams.grpcUrl, protocol: 'h2' }, [{ path: '/soak.Echo/**', ...protectedBy }]),
)

const tally = new Tally()
const world = { httpUrl: `http://127.0.0.1:${httpPort}`, grpcUrl: `http://127.0.0.1:${grpcPort}`, login }
const { callers, close } = createCallers(world)
const startedMs = performance.now()
const isOver = (): boolean => performance.now() - startedMs >= durationMs
let redisRestarts = 0
const samples: Sample[] = []
const disturb = async (): Promise<void> => {
  while (!isOver()) {
    await sleep(Math.min(every.redisMs, durationMs / 3))
    if (isOver()) return
    await redis.stop()
    await sleep(1_000)
    await redis.restart()
    redisRestarts += 1
  }
}
const watch = async (): Promise<void> => {
  while (!isOver()) {
    for (const process of [hub, http, grpc])
      samples.push(await sample(process, performance.now() - startedMs))
    await sleep(every.sampleMs)
  }
}
const work = callers.flatMap(caller =>
  Array.from({ length: caller.count }, () => keepCalling(caller, tally, isOver, pauseMs)),
)
await Promise.all([...work, disturb(), watch()])
close()
await sleep(1_500)

for (const process of [http, grpc]) {
  const inFlight = await process.metric('hopgate_hops_in_flight')
  if (inFlight !== 0) failures.push(`${process.name}: ${inFlight} hops are still under way`)
}
const metrics = (await Promise.all([hub, http, grpc].map(process => process.metricsText()))).join('\n')
for (const process of [http, grpc, hub]) {
  const code = await process.stop()
  if (code !== 0) failures.push(`${process.name}: exit code ${code}`)
}

failures.push(...tally.surprises)
const growth = describeGrowth(samples)
failures.push(...growth.failures)
failures.push(...eventFailures(), ...leakFailures())
const report = {
  minutes: Number(values.minutes),
  requests: tally.sent.size,
  byKind: tally.counts,
  keyRotations: login.rotations,
  redisRestarts,
  growth: growth.figures,
  failures,
}
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : formatReport())
process.exitCode = failures.length === 0 ? 0 : 1

/** Every request that was sent has exactly one event. */
function eventFailures(): string[] {
  const counts = new Map<string, number>()
  for (const { auditFile } of [http, grpc]) {
    for (const line of readFileSync(auditFile, 'utf8').trim().split('\n')) {
      const { type, data } = JSON.parse(line)
      if (!String(type).startsWith('io.hopgate.hop.')) continue
      counts.set(data.request_id, (counts.get(data.request_id) ?? 0) + 1)
    }
  }
  const wrong = [...tally.sent].filter(id => counts.get(id) !== 1)
  const unknown = [...counts.keys()].filter(id => !tally.sent.has(id))
  return [
    ...(wrong.length > 0 ? [`${wrong.length} requests without exactly one event, such as ${wrong[0]}`] : []),
    ...(unknown.length > 0 ? [`${unknown.length} events of no request, such as ${unknown[0]}`] : []),
  ]
}

/** No secret part of a token is in anything that was written. */
function leakFailures(): string[] {
  const outputs = [hub, http, grpc]
    .flatMap(({ auditFile, logFile }) => [auditFile, logFile])
    .map(file => readFileSync(file, 'utf8'))
  const output = [...outputs, metrics].join('\n')
  const warned = /MaxListenersExceededWarning/.test(output) ? ['a process warned of too many listeners'] : []
  const words = new Set(output.match(/[\w-]{16,}/g)?.map(word => word.slice(0, 16)))
  const leaked = [...login.signed, ...upstreams.tokens].filter(
    token =>
      token.length > 16 &&
      secretForms(token).some(([form, text]) => form.startsWith('its first') && words.has(text)),
  )
  return [...warned, ...(leaked.length > 0 ? [`${leaked.length} tokens are in the output`] : [])]
}

function formatReport(): string {
  const lines = [
    `${tally.sent.size} requests in ${values.minutes} minutes, ${login.rotations} key rotations, ${redisRestarts} restarts of Redis`,
    ...Object.entries(tally.counts).map(([kind, count]) => `  ${kind}: ${count}`),
    ...growth.figures.map(figure => `  ${figure}`),
    ...(failures.length === 0 ? ['nothing unexpected'] : failures.map(failure => `FAILED ${failure}`)),
  ]
  return `${lines.join('\n')}\n`
}
