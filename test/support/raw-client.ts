import { connect, type Socket } from 'node:net'
import { type HttpMessage, headerValues, readHead, readMessage } from './http-bytes.ts'

/** What came back for some raw bytes. */
export interface RawAnswer {
  /** Every byte received. */
  readonly raw: Buffer
  /** The final responses in it, interim 1xx left out. */
  readonly responses: readonly RawResponse[]
  /** Interim responses, such as 100. */
  readonly interim: readonly RawResponse[]
  /** Whether the other side ended the connection; otherwise it was still open when reading stopped. */
  readonly closed: boolean
}

export interface RawResponse extends HttpMessage {
  readonly status: number
  readonly text: string
  /** Whether the end of the message arrived. */
  readonly complete: boolean
  /** The first value of a field. */
  header(name: string): string | undefined
}

export interface RawOptions {
  readonly host?: string
  /** Reading stops after this time in any case. Default 5 s. */
  readonly timeoutMs?: number
  /** Reading stops when nothing came for this long after a complete response. Default 100 ms. */
  readonly quietMs?: number
  /** Reading stops as soon as this many final responses are complete. */
  readonly responses?: number
  /** The responses have no body in spite of their headers: the request was a HEAD. */
  readonly head?: boolean
  /** Half-close after the bytes are sent. */
  readonly end?: boolean
}

/** Sends bytes as they are; text is sent as latin1. An array is sent piece by piece, one write each. */
export async function sendRaw(
  port: number,
  bytes: string | Buffer | readonly (string | Buffer)[],
  options: RawOptions = {},
): Promise<RawAnswer> {
  const socket = await openRaw(port, options.host)
  const answer = readAnswer(socket, options)
  for (const piece of typeof bytes === 'string' || Buffer.isBuffer(bytes) ? [bytes] : bytes) {
    if (socket.destroyed) break
    socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
    await new Promise(resolve => setImmediate(resolve))
  }
  if (options.end) socket.end()
  return answer
}

/** Like {@link sendRaw} for exactly one final response; throws when there was none. */
export async function requestRaw(
  port: number,
  bytes: string | Buffer,
  options: RawOptions = {},
): Promise<RawResponse> {
  const { responses, raw } = await sendRaw(port, bytes, { responses: 1, ...options })
  const [first] = responses
  if (first === undefined) throw new Error(`no response, only ${JSON.stringify(raw.toString('latin1'))}`)
  return first
}

/** A connected socket without delay and without a listener for errors to crash on. */
export function openRaw(port: number, host = '127.0.0.1'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, noDelay: true }, () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
    socket.once('error', reject)
  })
}

/** Reads what a socket receives until it closes, is quiet after a response, or the time is over; then destroys it. */
export function readAnswer(socket: Socket, options: RawOptions = {}): Promise<RawAnswer> {
  return new Promise(resolve => {
    let raw = Buffer.alloc(0)
    let quiet: NodeJS.Timeout | undefined
    const finish = (closed: boolean) => {
      clearTimeout(quiet)
      clearTimeout(deadline)
      socket.destroy()
      const all = parseResponses(raw, closed, options.head ?? false)
      const isFinal = (response: RawResponse) => response.status >= 200 || response.status === 101
      resolve({
        raw,
        closed,
        responses: all.filter(isFinal),
        interim: all.filter(response => !isFinal(response)),
      })
    }
    const deadline = setTimeout(() => finish(false), options.timeoutMs ?? 5_000)
    socket.on('data', (chunk: Buffer) => {
      raw = Buffer.concat([raw, chunk])
      clearTimeout(quiet)
      const complete = parseResponses(raw, false, options.head ?? false).filter(
        response => response.complete && (response.status >= 200 || response.status === 101),
      )
      if (complete.length === 0) return
      if (options.responses !== undefined && complete.length >= options.responses) finish(false)
      // Whoever says so is waited for: the end of the connection may come a little after the answer.
      else if (complete.at(-1)?.header('connection') === 'close') return
      else quiet = setTimeout(() => finish(false), options.quietMs ?? 100)
    })
    socket.once('close', () => finish(true))
  })
}

/** Splits received bytes into responses; the last one may be incomplete. */
export function parseResponses(bytes: Buffer, closed: boolean, isHead = false): RawResponse[] {
  const responses: RawResponse[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const head = readHead(rest)
    if (head === undefined) break
    const status = Number(/^HTTP\/\d\.\d (\d{3})/.exec(head.startLine)?.[1] ?? 0)
    const isBodiless = isHead || status < 200 || status === 204 || status === 304
    const hasLength = ['content-length', 'transfer-encoding'].some(
      name => headerValues(head, name).length > 0,
    )
    const framing = isBodiless ? 'bodiless' : hasLength ? 'response' : closed ? 'until_close' : 'response'
    const message = readMessage(rest, framing)
    const partial = { ...head, raw: rest, body: rest.subarray(head.raw.length) }
    responses.push(describe(message ?? partial, status, message !== undefined))
    if (message === undefined || status === 101) break
    rest = rest.subarray(message.raw.length)
  }
  return responses
}

function describe(message: HttpMessage, status: number, complete: boolean): RawResponse {
  return {
    ...message,
    status,
    complete,
    text: message.body.toString('utf8'),
    header: name => headerValues(message, name)[0],
  }
}
