import type { Clock } from '../../base/clock.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'

/** A time after which a request is not worth going on with. */
export interface Deadline {
  /** Milliseconds that are left; not more than 0 when it has passed. */
  readonly leftMs: number
  readonly reason: Refusal
}

/** Node runs a longer timer at once; a limit beyond it is none. */
const longestTimerMs = 2 ** 31 - 1

/**
 * The deadline of a request: its route's, or the caller's own of a gRPC call, whichever is earlier.
 *
 * @param arrivedMs when the request arrived, on the monotonic clock
 * @returns undefined when it has none
 */
export function deadlineOf(
  { route, grpcTimeoutMs }: AdmittedRequest,
  arrivedMs: number,
  clock: Clock,
): Deadline | undefined {
  if (route.timeoutMs === undefined && grpcTimeoutMs === undefined) return undefined
  const routeMs = route.timeoutMs ?? Infinity
  const callerMs = grpcTimeoutMs ?? Infinity
  const totalMs = Math.min(routeMs, callerMs)
  if (totalMs > longestTimerMs) return undefined
  const leftMs = totalMs - (clock.monotonicMs() - arrivedMs)
  const whose = callerMs < routeMs ? "the caller's grpc-timeout" : "the route's timeout"
  return { leftMs, reason: refusal('upstream.timeout', `${whose} has passed`) }
}
