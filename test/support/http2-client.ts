import type { SecureClientSessionOptions } from 'node:http2'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'

/** A whole response. */
export interface Http2Response {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  /** Interim responses. */
  readonly interim: readonly IncomingHttpHeaders[]
  readonly body: Buffer
  readonly text: string
  /** The error code that the stream was closed with. */
  readonly rstCode: number
}

/** An ordinary client of HTTP/2: the one that Node has. */
export interface Http2Client {
  readonly session: ClientHttp2Session
  /** Sends a request; the body, when there is one, as a whole. */
  request(headers: OutgoingHttpHeaders, body?: string | Buffer): Promise<Http2Response>
  /** Begins a request whose body is still to be written. */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream
  close(): Promise<void>
}

/** Opens a connection, with prior knowledge or with TLS. `:authority` is `orders.test` unless a request says another. */
export async function connectHttp2Client(
  url: string,
  options: ClientSessionOptions | SecureClientSessionOptions = {},
): Promise<Http2Client> {
  const session = connect(url, options)
  session.on('error', () => {})
  await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject))
  const withDefaults = (headers: OutgoingHttpHeaders): OutgoingHttpHeaders => ({
    ':authority': 'orders.test',
    ...headers,
  })
  return {
    session,
    async request(headers, body) {
      const stream = session.request(withDefaults(headers), { endStream: body === undefined })
      const answer = readResponse(stream)
      if (body !== undefined) stream.end(body)
      return await answer
    },
    open: headers => session.request(withDefaults(headers), { endStream: false }),
    close: () =>
      new Promise(resolve => {
        if (session.destroyed) resolve()
        else session.close(() => resolve())
      }),
  }
}

/** Reads a response to its end, whatever the end is. */
export function readResponse(stream: ClientHttp2Stream): Promise<Http2Response> {
  return new Promise(resolve => {
    let headers: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    const interim: IncomingHttpHeaders[] = []
    const chunks: Buffer[] = []
    stream.on('response', received => {
      headers = received
    })
    stream.on('headers', received => interim.push(received))
    stream.on('trailers', received => {
      trailers = received
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', () => {})
    stream.on('close', () => {
      const body = Buffer.concat(chunks)
      const status = Number(headers[':status'] ?? 0)
      const { rstCode = 0 } = stream
      resolve({ status, headers, trailers, interim, body, text: body.toString('utf8'), rstCode })
    })
  })
}
