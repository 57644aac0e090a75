import type { Refusal } from '../../model/refusal.ts'
import type { RequestBody } from './request-body.ts'

/** A request as upstream gets it. */
export interface UpstreamRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** End-to-end fields with `Host` and `Authorization`: name, value, name, value, … Checked for what would end a line. */
  readonly fields: readonly string[]
  /** undefined when the message has none. */
  readonly body: RequestBody | undefined
  /** Whether who asks takes trailers with the response (`TE: trailers`, RFC 9110 §10.1.4). */
  readonly acceptsTrailers: boolean
  /** Whether the request has said that trailers follow its body (`Trailer`, RFC 9110 §6.6.2). */
  readonly announcesTrailers: boolean
}

/**
 * Takes one response as it arrives. Calls come in this order: any number of `onInformation`, one `onHead`, any number of
 * `onData`, one `onEnd`. `onFailure` comes instead of what is left, once, and may be first.
 */
export interface ResponseHandler {
  /** An interim response other than 100, which was ours to send, and 101, which nobody asked for. */
  onInformation(status: number, fields: readonly string[]): void
  onHead(status: number, phrase: string, fields: readonly string[]): void
  /** @param chunk its memory is used again after the call */
  onData(chunk: Buffer): void
  /** Everything that arrived together was handed over, and the response has not ended. */
  onPause(): void
  onEnd(trailers: readonly string[]): void
  onFailure(reason: Refusal): void
}

/** A request under way. */
export interface UpstreamCall {
  /** Stops reading the response until {@link resume}, except for what was read already. */
  pause(): void
  resume(): void
  /** Gives the request up; the handler hears nothing more. Does nothing when it has ended. */
  abort(): void
}

/** Sends requests to the one upstream, over as many connections as it takes. */
export interface UpstreamClient {
  /** The handler is never called before this returns. */
  send(request: UpstreamRequest, handler: ResponseHandler): UpstreamCall
  /** Lets requests under way end, and closes the connections. */
  close(): Promise<void>
}
