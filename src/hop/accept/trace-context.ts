import { randomFillSync } from 'node:crypto'

/** version 00, and what a later version must start with (W3C Trace Context §3.2). */
const version00 = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const laterVersion = /^(?!ff|00)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/
const zeroTrace = '0'.repeat(32)
const zeroParent = '0'.repeat(16)

/** The trace of a request, and the `traceparent` that the next hop gets. */
export interface TraceContext {
  readonly traceId: string
  readonly traceparent: string
  /** False: the caller's trace was unusable, so its `tracestate` must go as well. */
  readonly continued: boolean
}

/** Continues the caller's trace with a new parent id, or starts a new trace. */
export function continueTrace(traceparent: string | undefined): TraceContext {
  const match =
    traceparent === undefined ? null : (version00.exec(traceparent) ?? laterVersion.exec(traceparent))
  const traceId = match?.[1]
  const flags = match?.[3]
  if (traceId === undefined || flags === undefined || traceId === zeroTrace || match?.[2] === zeroParent) {
    const fresh = randomHex(16)
    return { traceId: fresh, traceparent: `00-${fresh}-${randomHex(8)}-00`, continued: false }
  }
  // Of a later version only the sampled flag is known (§4.3).
  const sampled = Number.parseInt(flags, 16) & 1
  return { traceId, traceparent: `00-${traceId}-${randomHex(8)}-0${sampled}`, continued: true }
}

/** Randomness is drawn, and written as text, in blocks: two native calls for a hundred ids. */
const pool = Buffer.alloc(4_096)
let poolHex = ''
let used = pool.length

/** `bytes` random bytes as lower-case hex. */
export function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    poolHex = randomFillSync(pool).toString('hex')
    used = 0
  }
  const from = 2 * used
  used += bytes
  return poolHex.slice(from, 2 * used)
}
