import { Worker } from 'node:worker_threads'
import { percentile } from '../statistics.ts'
import { HttpConnection } from './http-connection.ts'

/**
 * A program that sends requests at a constant rate, whatever becomes of those before: a server that stalls is asked on,
 * and everything that then waits is counted (no coordinated omission). Latency runs from the moment at which a request
 * was due, so that what the generator itself is late by is counted as well, and is told.
 *
 * Its one argument is an {@link OpenLoopTask}, its output an {@link OpenLoopResult}, both as JSON.
 */
export interface OpenLoopTask {
  readonly port: number
  /** The bytes of one request. */
  readonly request: string
  readonly perSecond: number
  readonly seconds: number
}

export interface OpenLoopResult {
  readonly requests: number
  /** Answers other than 2xx, and requests without an answer. */
  readonly errors: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
  /** By how much the generator was late itself, 99th percentile. */
  readonly lateP99Ms: number
}

/** Connections that are there from the start; more are opened when all of them wait for an answer. */
const initialConnections = 32

/** Requests of the first second are sent and not counted. */
const leadSeconds = 1

/** How long the last answers may take. */
const graceMs = 5_000

const task = JSON.parse(process.argv[2] ?? '{}') as OpenLoopTask
const request = Buffer.from(task.request, 'latin1')
const intervalMs = 1_000 / task.perSecond
const lead = leadSeconds * task.perSecond
const count = lead + task.seconds * task.perSecond
const latencies = new Float64Array(count - lead).fill(Number.NaN)
const delays = new Float64Array(count - lead)

const idle: HttpConnection[] = []
let waiting = 0
const failed = 0

await Promise.all(
  Array.from({ length: initialConnections }, async () => {
    const connection = new HttpConnection(task.port)
    await connection.connected
    idle.push(connection)
  }),
)
const startMs = performance.now() + 50
let next = 0
const pacer = new Worker(new URL('./pacer.ts', import.meta.url), {
  workerData: { startMs: performance.timeOrigin + startMs, intervalMs, count },
})
const sent = Promise.withResolvers<void>()
pacer.on('message', () => {
  const nowMs = performance.now()
  for (; next < count && startMs + next * intervalMs <= nowMs; next++) send(next, startMs + next * intervalMs)
  if (next === count) sent.resolve()
})
await sent.promise
for (const endMs = performance.now() + graceMs; waiting > 0 && performance.now() < endMs; ) {
  await new Promise(resolve => setTimeout(resolve, 20))
}
const answered = latencies.filter(latency => !Number.isNaN(latency)).sort()
delays.sort()
const result: OpenLoopResult = {
  requests: latencies.length,
  errors: failed + (latencies.length - answered.length),
  p50Ms: percentile(answered, 0.5),
  p99Ms: percentile(answered, 0.99),
  p999Ms: percentile(answered, 0.999),
  maxMs: percentile(answered, 1),
  lateP99Ms: percentile(delays, 0.99),
}
process.stdout.write(JSON.stringify(result), () => process.exit())

function send(index: number, dueMs: number): void {
  const connection = idle.shift() ?? new HttpConnection(task.port)
  waiting++
  const at = index - lead
  if (at >= 0) delays[at] = performance.now() - dueMs
  connection.send(request, (status, isReusable) => {
    waiting--
    if (isReusable) idle.push(connection)
    if (at < 0) return
    if (status >= 200 && status < 300) latencies[at] = performance.now() - dueMs
  })
}
