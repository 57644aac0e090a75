import type { Socket } from 'node:net'
import type { OpenTunnels } from './open-tunnels.ts'
import { WebSocketDirection } from './websocket-direction.ts'
import { closeCode } from './websocket-frames.ts'

export interface TunnelLimits {
  /** Between two pieces, either direction. */
  readonly idleMs: number
  /** The connection ends after this time, when the token that opened it does. Infinity without a token. */
  readonly lifeMs: number
}

const longestTimerMs = 2 ** 31 - 1

/**
 * How long the two ends have when one is gone or both were told goodbye: to finish the frame under way, which may stand
 * still for so long, and then to go.
 */
const closingMs = 1_000

/**
 * Joins the two ends of a WebSocket. When one is gone the other one goes too; when their time is over or the process
 * stops, both are told by a Close frame, between two frames of theirs, with a code that says why: 1008 when the token
 * has ended, 1001 when the sidecar goes away or nothing was said for too long. A frame under way is waited for as long
 * as it moves, but not when the token has ended.
 */
export function joinWebSocket(
  caller: Socket,
  upstream: Socket,
  { idleMs, lifeMs }: TunnelLimits,
  tunnels: OpenTunnels,
): void {
  const sockets = [caller, upstream]
  // What the caller says to an upstream that says no more still gets there, such as the answer to its Close.
  upstream.allowHalfOpen = true
  const destroy = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  if (sockets.some(({ destroyed }) => destroyed)) {
    destroy()
    return
  }
  const toCaller = new WebSocketDirection(upstream, caller, 'client')
  const toUpstream = new WebSocketDirection(caller, upstream, 'server')
  let isClosing = false
  let lastMoment: NodeJS.Timeout | undefined
  const endSoon = (): void => {
    lastMoment ??= setTimeout(destroy, closingMs)
  }
  /** From now on what stands still is broken off. */
  const hurry = (): void => {
    isClosing = true
    for (const socket of sockets) socket.setTimeout(closingMs)
  }
  const close = (code: number, reason: string): void => {
    if (isClosing) return
    hurry()
    if (toCaller.hasClosed || toUpstream.hasClosed) {
      // They are about to part with a code of their own.
      endSoon()
      return
    }
    toCaller.close(code, reason)
    toUpstream.close(code, reason)
  }
  const goAway = (): void => close(closeCode.goingAway, 'going away')
  const onTokenEnd = (): void => {
    close(closeCode.policyViolation, 'token has ended')
    endSoon()
  }
  const life = lifeMs === Infinity ? undefined : setTimeout(onTokenEnd, Math.min(lifeMs, longestTimerMs))
  const forget = tunnels.add({ goAway })
  for (const [socket, other] of [
    [caller, upstream],
    [upstream, caller],
  ] as const) {
    socket.setTimeout(isClosing ? closingMs : idleMs)
    socket.on('timeout', () => (isClosing ? destroy() : goAway()))
    socket.once('end', hurry)
    socket.once('finish', () => {
      if (sockets.every(({ writableFinished }) => writableFinished) || other.readableEnded) endSoon()
    })
    socket.once('close', () => {
      hurry()
      other.destroySoon()
      if (!other.closed) return
      forget()
      clearTimeout(life)
      clearTimeout(lastMoment)
    })
  }
}
