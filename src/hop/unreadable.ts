import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Refusal } from '../model/refusal.ts'
import type { HopRecord } from './hop.ts'
import type { Refuse } from './refuse.ts'
import { Trail } from './trail.ts'

/**
 * Records bytes that are no request, and ends the connection.
 *
 * @param mayAnswer whether the caller may be told first; false while another answer is under way
 */
export type RefuseUnreadable = (socket: Socket, reason: Refusal, mayAnswer: boolean) => void

/** What Node's parser could not read never becomes a request, but leaves by the same door and is recorded as well. */
export function createRefuseUnreadable(refuse: Refuse, record: HopRecord, clock: Clock): RefuseUnreadable {
  return (socket, reason, mayAnswer) => {
    record.begin()
    const trail = new Trail({ method: '', target: '', peer: socket.remoteAddress ?? 'unknown' }, clock)
    trail.refused(reason)
    if (mayAnswer) answer(socket, reason)
    else socket.destroy()
    record.write(trail.finish())
  }

  function answer(socket: Socket, reason: Refusal): void {
    const message = new IncomingMessage(socket)
    message.method = 'GET'
    const response = new ServerResponse(message)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => socket.destroySoon())
    refuse(response, reason, undefined)
  }
}
