import type { Socket } from 'node:net'
import type { Caller } from '../../base/http-caller.ts'
import type { Refusal } from '../../model/refusal.ts'

/** The limits of the data port that the server enforces before there is a request. Milliseconds and bytes. */
export interface FrontLimits {
  readonly headerBytes: number
  readonly headerCount: number
  readonly connections: number
  readonly requestsPerConnection: number
  /** Requests under way on one connection, with HTTP/2. */
  readonly streamsPerConnection: number
  readonly headersMs: number
  readonly keepAliveMs: number
  readonly bodyIdleMs: number
}

/** Where what arrives goes. */
export interface Front {
  readonly onRequest: (caller: Caller) => void
  /**
   * Bytes that are no request. The connection must end.
   *
   * @param mayAnswer false when another answer is under way: a second one would be read as part of it
   */
  readonly onUnreadable: (socket: Socket, reason: Refusal, mayAnswer: boolean) => void
}
