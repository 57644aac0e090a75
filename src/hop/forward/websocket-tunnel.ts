import type { Socket } from 'node:net'
import type { OpenTunnels } from './open-tunnels.ts'
import { closeCode, closeFrame, FrameBoundary } from './websocket-frames.ts'

export interface TunnelLimits {
  /** Between two pieces, either direction. */
  readonly idleMs: number
  /** The connection ends after this time, when the token that opened it does. */
  readonly lifeMs: number
}

const longestTimerMs = 2 ** 31 - 1
/** How long the two ends have to answer a Close frame. */
const closingMs = 1_000

/**
 * Looks after the two joined ends of a WebSocket. When one is gone the other one goes too; when their time is over or
 * the process stops, both are told by a Close frame, between two frames of theirs, with a code that says why: 1008 when
 * the token has ended, 1001 when the sidecar goes away or nothing was said for too long.
 */
export function watchTunnel(
  caller: Socket,
  upstream: Socket,
  { idleMs, lifeMs }: TunnelLimits,
  tunnels: OpenTunnels,
): void {
  const destroy = (): void => {
    caller.destroy()
    upstream.destroy()
  }
  if (caller.destroyed) {
    destroy()
    return
  }
  const toCaller = new Direction(upstream, caller, 'client')
  const toUpstream = new Direction(caller, upstream, 'server')
  let closing: NodeJS.Timeout | undefined
  const close = (code: number, reason: string): void => {
    if (closing !== undefined) return
    toCaller.close(code, reason)
    toUpstream.close(code, reason)
    closing = setTimeout(destroy, closingMs)
  }
  const goAway = (): void => close(closeCode.goingAway, 'going away')
  const life = setTimeout(
    () => close(closeCode.policyViolation, 'token has ended'),
    Math.min(lifeMs, longestTimerMs),
  )
  const forget = tunnels.add({ goAway })
  caller.setTimeout(idleMs, goAway)
  upstream.setTimeout(idleMs, goAway)
  upstream.once('close', () => caller.destroySoon())
  caller.once('close', () => {
    forget()
    clearTimeout(life)
    clearTimeout(closing)
    upstream.destroy()
  })
}

/** What one end says to the other. */
class Direction {
  readonly #from: Socket
  readonly #to: Socket
  readonly #role: 'client' | 'server'
  readonly #frames = new FrameBoundary()
  #goodbye: Buffer | undefined

  /** @param role of the end that is told */
  constructor(from: Socket, to: Socket, role: 'client' | 'server') {
    this.#from = from
    this.#to = to
    this.#role = role
    from.on('data', chunk => this.#pass(chunk as Buffer))
  }

  /** Says goodbye as soon as no frame is under way, unless that was said already; passes nothing on any more. */
  close(code: number, reason: string): void {
    this.#goodbye ??= closeFrame(code, reason, this.#role)
    this.#sayGoodbye()
  }

  /** The bytes were passed on by the pipe that joins the ends, whose listener came first. */
  #pass(chunk: Buffer): void {
    this.#frames.pass(chunk)
    if (this.#goodbye !== undefined) this.#sayGoodbye()
  }

  #sayGoodbye(): void {
    if (!this.#frames.isBetweenFrames || this.#to.writableEnded) return
    this.#from.unpipe(this.#to)
    // What still comes is read, so that the end of the connection is noticed, and dropped.
    this.#from.resume()
    if (!this.#frames.hasClosed && this.#goodbye !== undefined) this.#to.write(this.#goodbye)
    this.#to.end()
  }
}
