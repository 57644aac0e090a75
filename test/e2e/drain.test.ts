import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request, type Server } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { type RunningCommand, runHopgate } from '../support/child-process.ts'
import { hopYaml } from '../support/start-hop.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { type Closing, openWebSocket } from '../support/websocket-service.ts'

/** Restarts, and how many of them go on at the same time. */
const restarts = 20
const atOnce = 4
/** Requests that are answered before the signal. */
const before = 40

/**
 * What became of a request: its whole answer came; it was never sent, or the sidecar said that it was not looked at
 * (HTTP/2's GOAWAY), so that whoever sent it may send it somewhere else; or it is lost, and why.
 */
type Fate = 'answered' | 'not taken' | `lost: ${string}`

interface SentRequest {
  readonly id: string
  readonly kind: Kind
  readonly fate: Fate
}

/** A short answer, one that comes in pieces, and the answer to a body. */
const kinds = ['short', 'pieces', 'upload'] as const
type Kind = (typeof kinds)[number]
const upload = Buffer.alloc(30_000, 'u')

let service: Server
let serviceUrl: string
let issuer: TestIssuer
let authorization: string
const commands: RunningCommand[] = []

beforeAll(async () => {
  issuer = await createTestIssuer({ issuer: 'https://login.test' })
  authorization = `Bearer ${await issuer.sign({ scope: 'orders:read' })}`
  service = createServer((received, response) => {
    const id = String(received.headers['x-request-id'])
    let bytes = 0
    received.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    received.on('end', () => {
      const isInPieces = received.url === '/orders/pieces'
      const pieces = isInPieces
        ? [id, ...Array.from({ length: 6 }, () => 'x'.repeat(5_000))]
        : [`${id} ${bytes}`]
      const next = (): void => {
        response.write(pieces.shift())
        if (pieces.length === 0) response.end()
        else setTimeout(next, 30)
      }
      setTimeout(next, Math.random() * 15)
    })
  })
  const sockets = new WebSocketServer({ server: service })
  sockets.on('connection', socket => socket.on('message', data => socket.send(data)))
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  serviceUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
})

afterAll(() => {
  for (const command of commands) command.signal('SIGKILL')
  service.closeAllConnections()
  service.close()
})

const bodyOf = (kind: Kind): Buffer | undefined => (kind === 'upload' ? upload : undefined)
function isWhole(kind: Kind, id: string, body: string): boolean {
  if (kind === 'pieces') return body === id + 'x'.repeat(30_000)
  return body === `${id} ${kind === 'upload' ? upload.length : 0}`
}

/** Sends one request after the other until nobody takes them any more. */
async function sendRequests(
  send: (kind: Kind, id: string) => Promise<Fate>,
  sent: SentRequest[],
): Promise<void> {
  for (let count = 0; ; count++) {
    const kind = kinds[count % kinds.length] as Kind
    const id = randomUUID()
    const fate = await send(kind, id)
    sent.push({ id, kind, fate })
    if (fate !== 'answered') return
  }
}

/** A client with one kept connection of HTTP/1.1. */
function http1Client(url: string): (kind: Kind, id: string) => Promise<Fate> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return (kind, id) =>
    new Promise(resolve => {
      const body = bodyOf(kind)
      const method = body === undefined ? 'GET' : 'POST'
      const headers = { authorization, 'x-request-id': id }
      const outgoing = request(`${url}/orders/${kind}`, { agent, method, headers }, response => {
        let text = ''
        response.on('data', chunk => {
          text += chunk
        })
        response.on('error', error => resolve(`lost: ${kind}, half an answer, ${error.message}`))
        response.on('end', () => {
          if (response.statusCode !== 200) resolve(`lost: ${kind}, status ${response.statusCode}`)
          else resolve(isWhole(kind, id, text) ? 'answered' : `lost: ${kind}, another body`)
        })
      })
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const isKept = outgoing.reusedSocket ? 'on a kept connection' : 'on a new connection'
        resolve(error.code === 'ECONNREFUSED' ? 'not taken' : `lost: ${kind}, ${error.message} ${isKept}`)
      })
      outgoing.end(body)
    })
}

/** A client that has many requests at a time on one connection of HTTP/2. */
function http2Client(url: string): (kind: Kind, id: string) => Promise<Fate> {
  let session: ClientHttp2Session | undefined
  let lastTaken = Infinity
  const open = (): ClientHttp2Session => {
    const opened = connect(url)
    opened.on('error', () => {})
    opened.on('goaway', (_code, lastStreamId) => {
      lastTaken = lastStreamId
    })
    return opened
  }
  return (kind, id) =>
    new Promise(resolve => {
      session ??= open()
      if (session.closed || session.destroyed) return resolve('not taken')
      const body = bodyOf(kind)
      const headers = {
        ':path': `/orders/${kind}`,
        ':method': body === undefined ? 'GET' : 'POST',
        authorization,
        'x-request-id': id,
      }
      const stream = session.request(headers, { endStream: body === undefined })
      let status: unknown
      let text = ''
      stream.on('response', received => {
        status = received[':status']
      })
      stream.on('data', chunk => {
        text += chunk
      })
      stream.on('error', () => {})
      stream.on('close', () => {
        const { id: streamId = Infinity, rstCode } = stream
        if (rstCode === 0 && status === 200 && isWhole(kind, id, text)) resolve('answered')
        else if (status === undefined && streamId > lastTaken) resolve('not taken')
        else resolve(`lost: ${kind} over HTTP/2, status ${status}, code ${rstCode}, ${text.length} bytes`)
      })
      if (body !== undefined) stream.end(body)
    })
}

interface Restart {
  readonly sent: readonly SentRequest[]
  readonly closing: Closing
  readonly exitCode: number | null
  /** `request_id` of each event of a hop. */
  readonly events: readonly string[]
  readonly websocketId: string
}

/** Starts the sidecar, loads it, tells it to stop in the middle, and waits until it is gone. */
async function restart(): Promise<Restart> {
  const folder = createTempFolder()
  const audit = join(folder, 'audit.jsonl')
  const file = join(folder, 'hopgate.yaml')
  const routes = `\n  - { path: '/orders/**', audience: orders-api, scope: orders:read, websocket: true, methods: [GET, POST] }`
  writeFileSync(file, hopYaml(issuer, serviceUrl, { routes, more: `audit: { file: ${audit} }` }))
  const running = runHopgate(['run', '--config', file])
  commands.push(running)
  const url = String((await running.logged('ready', 30_000))['url'])

  const sent: SentRequest[] = []
  const websocketId = randomUUID()
  const websocket = await openWebSocket(`${url}/orders/live`, authorization.slice(7), {
    headers: { 'x-request-id': websocketId },
  })
  const talk = (): void => {
    if (websocket.socket.readyState === 1) websocket.socket.send('x'.repeat(10_000))
  }
  websocket.socket.on('message', talk)
  talk()
  const overHttp2 = http2Client(url)
  const clients = [
    ...Array.from({ length: 6 }, () => sendRequests(http1Client(url), sent)),
    ...Array.from({ length: 6 }, () => sendRequests(overHttp2, sent)),
  ]
  await until(() => sent.length >= before, `${before} answers: ${JSON.stringify(sent)}`, 30_000)
  running.signal('SIGTERM')
  const exitCode = await running.exit(30_000)
  await Promise.all(clients)
  const lines = readFileSync(audit, 'utf8').trim().split('\n')
  const events = lines.map(line => JSON.parse(line)).filter(({ type }) => type.startsWith('io.hopgate.hop.'))
  return {
    sent,
    closing: await websocket.closed,
    exitCode,
    events: events.map(({ data }) => data.request_id),
    websocketId,
  }
}

describe('twenty restarts under load', () => {
  it('lose no request', async () => {
    const done: Restart[] = []
    const chain = async (): Promise<void> => {
      for (let count = 0; count < restarts / atOnce; count++) done.push(await restart())
    }
    await Promise.all(Array.from({ length: atOnce }, chain))

    const all = done.flatMap(({ sent }) => sent)
    const lost = all.filter(({ fate }) => fate.startsWith('lost')).map(({ fate }) => fate)
    const answered = all.filter(({ fate }) => fate === 'answered')
    console.log(all.length, answered.length, lost)
    expect(done).toHaveLength(restarts)
    expect(answered.length).toBeGreaterThan(restarts * before)
    expect(lost, `${lost.length} of ${all.length} requests lost in ${restarts} restarts`).toEqual([])
    for (const { closing, exitCode, events, sent, websocketId } of done) {
      expect(closing).toEqual({ code: 1001, reason: 'going away' })
      expect(exitCode).toBe(0)
      const taken = sent.filter(({ fate }) => fate === 'answered').map(({ id }) => id)
      expect(events.toSorted()).toEqual([...taken, websocketId].toSorted())
    }
  }, 120_000)
})
