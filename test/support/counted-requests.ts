import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, Agent as HttpAgent, request as httpRequest } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

/**
 * What became of a request: its whole answer came; it was never sent, or was said not to have been looked at (HTTP/2's
 * GOAWAY), so that it may be sent somewhere else; or it is lost, and why.
 */
export type Fate = 'answered' | 'not taken' | `lost: ${string}`

export interface CountedRequest {
  /** Its `X-Request-Id`. */
  readonly id: string
  readonly fate: Fate
}

/** A short answer, one that comes in pieces, and the answer to a body. */
const kinds = ['short', 'pieces', 'upload'] as const
type Kind = (typeof kinds)[number]

const upload = Buffer.alloc(30_000, 'u')
const pieces = Array.from({ length: 6 }, () => 'x'.repeat(5_000))

/** A service whose answers show which request they are for and that they are whole. WebSockets are echoed. */
export async function startCountedService(): Promise<{ readonly url: string; close(): void }> {
  const service = createServer((received, response) => {
    const id = String(received.headers['x-request-id'])
    let bytes = 0
    received.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    received.on('end', () => {
      const rest = received.url?.endsWith('/pieces') === true ? [id, ...pieces] : [`${id} ${bytes}`]
      const next = (): void => {
        response.write(rest.shift())
        if (rest.length === 0) response.end()
        else setTimeout(next, 30)
      }
      setTimeout(next, Math.random() * 15)
    })
  })
  new WebSocketServer({ server: service }).on('connection', socket => {
    socket.on('message', data => socket.send(data))
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  return {
    url: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
    close() {
      service.closeAllConnections()
      service.close()
    },
  }
}

/** Sends one request and tells what became of it. */
type Send = (kind: Kind, id: string) => Promise<Fate>

/** Sends one request after the other until one is not answered. */
export async function sendUntilUnanswered(send: Send, sent: CountedRequest[]): Promise<void> {
  for (let count = 0; ; count++) {
    const id = randomUUID()
    const fate = await send(kinds[count % kinds.length] as Kind, id)
    sent.push({ id, fate })
    if (fate !== 'answered') return
  }
}

export interface CallerOptions {
  readonly url: string
  readonly token: string
  /** The authority of a server that is spoken to with TLS. */
  readonly ca: string | undefined
}

/** A caller with one connection of HTTP/1.1, which it keeps as long as it may. */
export function http1Caller({ url, token, ca }: CallerOptions): Send {
  const options = { keepAlive: true, maxSockets: 1, ...(ca !== undefined && { ca }) }
  const agent = ca === undefined ? new HttpAgent(options) : new HttpsAgent(options)
  const request = ca === undefined ? httpRequest : httpsRequest
  return (kind, id) =>
    new Promise(resolve => {
      const headers = { authorization: `Bearer ${token}`, 'x-request-id': id }
      const outgoing = request(
        `${url}/orders/${kind}`,
        { agent, method: methodOf(kind), headers },
        response => {
          let text = ''
          response.on('data', chunk => {
            text += chunk
          })
          response.on('error', error => resolve(`lost: ${kind}, half an answer, ${error.message}`))
          response.on('end', () => resolve(judge(kind, id, response.statusCode, text)))
        },
      )
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const connection = outgoing.reusedSocket ? 'kept' : 'new'
        if (error.code === 'ECONNREFUSED') resolve('not taken')
        else resolve(`lost: ${kind}, ${error.message} on a ${connection} connection`)
      })
      outgoing.end(kind === 'upload' ? upload : undefined)
    })
}

/** A caller with one connection of HTTP/2, on which any number of requests may be under way. */
export function http2Caller({ url, token, ca }: CallerOptions): Send {
  let session: ClientHttp2Session | undefined
  let lastTaken = Infinity
  const open = (): ClientHttp2Session => {
    const opened = connect(url, ca === undefined ? {} : { ca })
    opened.on('error', () => {})
    opened.on('goaway', (_code, lastStreamId) => {
      lastTaken = lastStreamId
    })
    return opened
  }
  return (kind, id) =>
    new Promise(resolve => {
      session ??= open()
      if (session.closed || session.destroyed) {
        resolve('not taken')
        return
      }
      const fields = { ':path': `/orders/${kind}`, ':method': methodOf(kind), 'x-request-id': id }
      const stream = session.request({ ...fields, authorization: `Bearer ${token}` }, { endStream: false })
      let status: number | undefined
      let text = ''
      stream.on('response', headers => {
        status = Number(headers[':status'])
      })
      stream.on('data', chunk => {
        text += chunk
      })
      stream.on('error', () => {})
      stream.on('close', () => {
        const { id: streamId = Infinity, rstCode } = stream
        if (status === undefined && streamId > lastTaken) resolve('not taken')
        else if (rstCode !== 0) resolve(`lost: ${kind} over HTTP/2, code ${rstCode}, status ${status}`)
        else resolve(judge(kind, id, status, text))
      })
      stream.end(kind === 'upload' ? upload : undefined)
    })
}

function methodOf(kind: Kind): string {
  return kind === 'upload' ? 'POST' : 'GET'
}

function judge(kind: Kind, id: string, status: number | undefined, body: string): Fate {
  const whole = kind === 'pieces' ? id + pieces.join('') : `${id} ${kind === 'upload' ? upload.length : 0}`
  if (status !== 200) return `lost: ${kind}, status ${status}`
  return body === whole ? 'answered' : `lost: ${kind}, ${body.length} bytes of ${whole.length}`
}
