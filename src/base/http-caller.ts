import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What is wrong with a header section, found by the reader of one version of HTTP. */
export interface HeaderFlaw {
  readonly kind: 'malformed' | 'too large'
  /** For the record; without the caller's text. */
  readonly detail: string
}

/**
 * A request as it arrived, in whatever version of HTTP. Node's `IncomingMessage` is one; HTTP/2 streams are given this
 * shape. Its body comes as `data`, and `end` comes only when all of it came.
 */
export interface CallerRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly httpVersion: string
  /** Whether the server let the message ask for another protocol; Node sets it. */
  readonly upgrade?: boolean | null
  /** Name, value, name, value, …, as received. */
  readonly rawHeaders: readonly string[]
  /** The same for the trailer section, once the body has ended. */
  readonly rawTrailers: readonly string[]
  readonly socket: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean }
  /** Whether a body follows, where the fields do not say so; undefined where they do (HTTP/1.1). */
  readonly hasBody?: boolean
  /** Why it is to be refused before anything else is read of it. */
  readonly flaw?: HeaderFlaw | undefined
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end', listener: () => void): unknown
  off(event: 'data', listener: (chunk: Buffer) => void): unknown
  off(event: 'end', listener: () => void): unknown
  pause(): unknown
  resume(): unknown
}

/** Where the answer to a request is written: the part of Node's `ServerResponse` that every version of HTTP can do. */
export interface CallerResponse {
  readonly req: Pick<CallerRequest, 'method' | 'httpVersion' | 'rawHeaders'>
  /** Whether the connection goes on after this answer. Means nothing where a connection has many requests at a time. */
  shouldKeepAlive: boolean
  readonly headersSent: boolean
  readonly destroyed: boolean
  /** Sends the interim response `100 Continue`. */
  writeContinue(): void
  /** Sends another interim response. @param fields name, value, name, value, … */
  writeInformation(status: number, fields: string[]): void
  /** @param fields name, value, name, value, … */
  writeHead(status: number, phrase: string, fields: string[]): unknown
  flushHeaders(): void
  /** @returns false when the caller should wait for `drain` */
  write(chunk: Uint8Array): boolean
  /** Fields that follow the body. To be called before {@link end}. */
  addTrailers(fields: readonly [name: string, value: string][]): void
  end(): unknown
  end(chunk: Uint8Array): unknown
  end(text: string, encoding: 'latin1' | 'utf8'): unknown
  /** Breaks the answer off, in a way that the caller cannot take for its end. */
  destroy(): unknown
  on(event: 'close' | 'drain', listener: () => void): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
}

/** The caller's end of an upgrade, which only HTTP/1.1 has. */
export interface Tunnel {
  readonly received: IncomingMessage
  /** Holds the caller's socket; lets go of it when the upgrade succeeds. */
  readonly response: ServerResponse
  readonly socket: Socket
  /** Bytes that came behind the request's header section. */
  readonly head: Buffer
}

/** The caller's side of one request. */
export interface Caller {
  readonly received: CallerRequest
  readonly response: CallerResponse
  /** Present exactly when the request asks for an upgrade that the server lets through. */
  readonly tunnel?: Tunnel
}
