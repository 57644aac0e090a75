import { z } from 'zod'
import { addressBlock, durationMs, filePath, keyPrefix, sizeBytes, wholeNumber } from './fields.ts'
import { secretReference } from './secret-reference.ts'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

/** Where Redis is, for sidecars and hubs. */
export const redisReference = secretReference.meta({
  title: 'a redis: or rediss: URL, a reference to the environment, or { file: PATH }',
})

/** `workers` of a sidecar. */
export const workersSchema = z
  .union([z.enum(['auto']), wholeNumber(1, 256)])
  .meta({ title: 'auto, or a whole number from 1 to 256' })

/** `cache` of a sidecar. */
export const cacheSchema = z.strictObject({
  redis: redisReference
    .optional()
    .describe(
      'Redis that sidecars share issued tokens in. A password must come from the environment or a file. Absent: memory only.',
    ),
  prefix: keyPrefix.prefault('hopgate:').describe('Prefix of every Redis key.'),
  timeout: durationMs('1ms', '10s')
    .prefault('100ms')
    .describe('Longest wait for one Redis answer; after it Redis counts as down.'),
  max_entries: wholeNumber(1, 10_000_000)
    .prefault(10_000)
    .describe('Most presented tokens in memory, and most issued ones.'),
  max_bytes: sizeBytes(64 * KiB, 64 * GiB)
    .prefault('32MiB')
    .describe('Most memory for presented tokens, and for issued ones, by estimate.'),
})

/** `limits` of a sidecar. */
export const limitsSchema = z.strictObject({
  headers: sizeBytes(KiB, MiB).prefault('16KiB').describe('The header section, request line included.'),
  header_count: wholeNumber(8, 2000).prefault(100).describe('Header fields.'),
  target: sizeBytes(128, MiB).prefault('8KiB').describe('The request target.'),
  body: sizeBytes(0, 1024 * GiB)
    .optional()
    .describe('One request body. Absent: no limit; bodies are streamed.'),
  token: sizeBytes(256, MiB).prefault('8KiB').describe('One presented token.'),
  connections: wholeNumber(1, 1_000_000).prefault(10_000).describe('Connections at the same time.'),
  requests: wholeNumber(1, 1_000_000)
    .prefault(10_000)
    .describe('Requests under way at the same time; more are refused.'),
  event_loop_delay: durationMs('10ms', '1m')
    .prefault('500ms')
    .describe('How late the event loop may be before requests are refused.'),
  memory: sizeBytes(32 * MiB, 1024 * GiB)
    .optional()
    .describe(
      "Resident memory above which requests are refused. Absent: nine tenths of the container's limit, if it has one; workers share them evenly.",
    ),
  requests_per_connection: wholeNumber(1, 100_000_000)
    .prefault(10_000)
    .describe('Requests on one connection before it is closed.'),
  streams_per_connection: wholeNumber(1, 10_000)
    .prefault(128)
    .describe('Requests under way at the same time on one HTTP/2 connection.'),
})

/** `timeouts` of a sidecar. */
export const timeoutsSchema = z.strictObject({
  headers: durationMs('10ms', '5m').prefault('10s').describe('For the whole header section to arrive.'),
  keep_alive: durationMs('10ms', '1h').prefault('60s').describe('An idle keep-alive connection.'),
  body_idle: durationMs('10ms', '24h')
    .prefault('60s')
    .describe('Between two pieces of a body, either direction.'),
  upstream_connect: durationMs('1ms', '5m').prefault('2s').describe('For a connection to upstream.'),
  upstream_headers: durationMs('1ms', '24h')
    .prefault('30s')
    .describe("From the end of the request to the response's headers."),
  websocket_idle: durationMs('10ms', '24h')
    .prefault('5m')
    .describe(
      'Between two pieces of an upgraded connection, either direction. Then both ends get a Close frame with 1001.',
    ),
  drain: durationMs('0s', '1h').prefault('25s').describe('Grace for requests under way after SIGTERM.'),
})

/** `audit` of a sidecar or a hub. */
export const auditSchema = z.strictObject({
  file: filePath.optional().describe('Append to this file. Absent: standard output.'),
  queue: wholeNumber(1, 10_000_000).prefault(10_000).describe('Events that may wait for a slow sink.'),
  when_full: z
    .enum(['refuse', 'count'])
    .prefault('count')
    .describe(
      'When the queue is full: refuse every request, or count what is lost. Privileged routes always refuse.',
    ),
})

export type AuditInput = z.output<typeof auditSchema>

/** `forwarded` of a sidecar. */
export const forwardedSchema = z.strictObject({
  trusted_proxies: z
    .array(addressBlock)
    .prefault([])
    .meta({ title: 'a list of addresses and blocks' })
    .describe('Proxies in front whose `X-Forwarded-*` and `Forwarded` are continued.'),
})
