import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { type HttpMessage, headerValues, readHead, readMessage } from './http-bytes.ts'

/** A request as the upstream received it, byte for byte. */
export interface RecordedRequest extends HttpMessage {
  readonly method: string
  readonly target: string
  /** Which connection it came on, counted from 0. */
  readonly connection: number
  /** The first value of a field. */
  header(name: string): string | undefined
  /** Every value of a field. */
  headerAll(name: string): string[]
}

/**
 * What the upstream does with a request: raw bytes to write; `reset` breaks the connection off; `hang` says nothing;
 * a function decides, and may write to the socket itself and answer nothing.
 */
export type Answer =
  | string
  | Buffer
  | { readonly action: 'reset' | 'hang' }
  | ((request: RecordedRequest, socket: Socket) => Answer | Promise<Answer | undefined> | undefined)

export interface UpstreamOptions {
  /** The answer to every request that has none of its own. Default: 200 with the body `ok`. */
  readonly answer?: Answer
  /** Answer when the headers are there instead of after the body; the recorded body is then what came with them. */
  readonly answerAtHead?: boolean
  /** Listens with TLS; the recorded bytes are those inside it. */
  readonly tls?: TlsOptions
}

/** A recording upstream over raw sockets. */
export interface Upstream {
  readonly port: number
  /** Such as `http://127.0.0.1:4711`. */
  readonly url: string
  readonly requests: readonly RecordedRequest[]
  /** Every byte received, one entry a connection, in the order of arrival. */
  readonly connections: readonly { readonly raw: Buffer; readonly isOpen: boolean }[]
  /** Answers the next requests, one each, before the standing answer applies again. */
  enqueue(...answers: readonly Answer[]): void
  /** Replaces the standing answer. */
  answerWith(answer: Answer): void
  /** Resolves with the request at `index` as soon as it is there; rejects after `timeoutMs`, default 5 s. */
  request(index?: number, timeoutMs?: number): Promise<RecordedRequest>
  /** Forgets what was recorded; open connections stay. */
  clear(): void
  close(): Promise<void>
}

/** The bytes of a response with `Content-Length`. */
export function response(status: number, body = '', headers: Readonly<Record<string, string>> = {}): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} Status\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${fields.join('')}\r\n${body}`
}

/** Starts an upstream on a free loopback port. */
export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  let requests: RecordedRequest[] = []
  let standing: Answer = options.answer ?? response(200, 'ok')
  let queued: Answer[] = []
  const connections: { raw: Buffer; isOpen: boolean }[] = []
  const sockets = new Set<Socket>()
  const waiting = new Set<() => void>()

  const onConnection = (socket: Socket): void => {
    const connection = { raw: Buffer.alloc(0), isOpen: true }
    const index = connections.push(connection) - 1
    let rest = Buffer.alloc(0)
    let busy = false
    sockets.add(socket)
    const takeNext = async () => {
      while (!busy && !socket.destroyed) {
        const message = readMessage(rest, 'request')
        const head = message === undefined && options.answerAtHead ? readHead(rest) : undefined
        const found = message ?? (head && { ...head, raw: rest, body: rest.subarray(head.raw.length) })
        if (found === undefined) return
        rest = rest.subarray(found.raw.length)
        const request = describe(found, index)
        requests.push(request)
        for (const wake of waiting) wake()
        busy = true
        await perform(queued.shift() ?? standing, request, socket)
        // Bytes after an upgrade, or after the head that was answered early, are not requests.
        busy = headerValues(request, 'upgrade').length > 0 || message === undefined
      }
    }
    socket.on('data', (chunk: Buffer) => {
      connection.raw = Buffer.concat([connection.raw, chunk])
      rest = Buffer.concat([rest, chunk])
      void takeNext()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      connection.isOpen = false
      sockets.delete(socket)
    })
  }
  const { tls } = options
  const server =
    tls === undefined ? createServer({ noDelay: true }, onConnection) : createTlsServer(tls, onConnection)
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0

  return {
    port,
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    get requests() {
      return requests
    },
    connections,
    enqueue(...answers) {
      queued.push(...answers)
    },
    answerWith(answer) {
      standing = answer
    },
    request: (index = 0, timeoutMs = 5_000) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const request = requests[index]
          if (request === undefined) return
          clearTimeout(timer)
          waiting.delete(look)
          resolve(request)
        }
        const timer = setTimeout(() => {
          waiting.delete(look)
          reject(new Error(`request ${index} did not reach the upstream within ${timeoutMs} ms`))
        }, timeoutMs)
        waiting.add(look)
        look()
      }),
    clear() {
      requests = []
      queued = []
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

async function perform(answer: Answer, request: RecordedRequest, socket: Socket): Promise<void> {
  if (typeof answer === 'function') {
    const next = await answer(request, socket)
    if (next !== undefined) await perform(next, request, socket)
  } else if (typeof answer === 'string' || Buffer.isBuffer(answer)) {
    if (!socket.destroyed) socket.write(typeof answer === 'string' ? Buffer.from(answer, 'utf8') : answer)
  } else if (answer.action === 'reset') {
    socket.resetAndDestroy()
  }
}

function describe(message: HttpMessage, connection: number): RecordedRequest {
  const [method = '', target = ''] = message.startLine.split(' ')
  return {
    ...message,
    method,
    target,
    connection,
    header: name => headerValues(message, name)[0],
    headerAll: name => headerValues(message, name),
  }
}
