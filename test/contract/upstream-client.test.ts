import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer as createHttp1Server,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type Connect, createConnect } from '../../src/hop/forward/connect.ts'
import { createHttp1Client } from '../../src/hop/forward/http1/http1-client.ts'
import { createHttp2Client } from '../../src/hop/forward/http2/http2-client.ts'
import type { UpstreamClient } from '../../src/hop/forward/upstream-client.ts'
import { sendRecorded } from '../support/recorded-response.ts'
import { aRequestBody } from '../support/request-body.ts'
import { until } from '../support/until.ts'

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse & Http2ServerResponse
type Answer = (request: Request, response: Response) => void

interface Limits {
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
  /** HTTP/1.1 connections, or HTTP/2 streams. */
  readonly most: number
}

/** One implementation, and the server that speaks its protocol. */
interface Implementation {
  readonly name: string
  readonly protocol: 'http/1.1' | 'h2'
  createClient(origin: URL, connect: Connect, limits: Limits): UpstreamClient
  createServer(answer: Answer): Server
}

const implementations: readonly Implementation[] = [
  {
    name: 'HTTP/1.1',
    protocol: 'http/1.1',
    createClient: (_origin, connect, { most, ...limits }) =>
      createHttp1Client({ ...limits, connect, maxConnections: most }),
    createServer: answer => createHttp1Server(answer as never),
  },
  {
    name: 'HTTP/2',
    protocol: 'h2',
    createClient: (origin, connect, { most, ...limits }) =>
      createHttp2Client({
        ...limits,
        origin,
        connect,
        maxSessions: 1,
        streamsPerSession: most,
        requestsPerSession: 1_000_000,
        idleMs: 60_000,
        pingAfterMs: 10_000,
        pingTimeoutMs: 10_000,
      }),
    createServer: answer => createHttp2Server(answer as never) as unknown as Server,
  },
]

/** Whatever a test has opened, closed after it in reverse order. */
const opened: (() => unknown)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

/** A connection of HTTP/1.1 rests until the event loop has looked at it again. */
const rested = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 5))

describe.each(implementations)('the upstream client for $name', implementation => {
  const usual: Limits = {
    connectTimeoutMs: 2_000,
    headersTimeoutMs: 20_000,
    bodyTimeoutMs: 20_000,
    most: 100,
  }

  const connectTo = (port: number): Connect =>
    createConnect(new URL(`http://127.0.0.1:${port}`), implementation.protocol, undefined)

  const createClient = (connect: Connect, limits: Partial<Limits> = {}): UpstreamClient => {
    const client = implementation.createClient(new URL('http://127.0.0.1'), connect, { ...usual, ...limits })
    opened.push(() => client.close())
    return client
  }

  /** A real server, and a client of it. */
  const start = async (answer: Answer, limits: Partial<Limits> = {}) => {
    const sockets = new Set<Socket>()
    const server = implementation.createServer(answer)
    let connections = 0
    server.on('connection', (socket: Socket) => {
      connections += 1
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    opened.push(() => {
      for (const socket of sockets) socket.destroy()
      return new Promise(resolve => server.close(resolve))
    })
    return {
      client: createClient(connectTo(port), limits),
      port,
      sockets,
      connections: () => connections,
    }
  }

  /** A TCP server that does anything. */
  const startTcp = async (onSocket: (socket: Socket) => void): Promise<number> => {
    const sockets = new Set<Socket>()
    const server = createTcpServer(socket => {
      sockets.add(socket)
      socket.on('error', () => {})
      onSocket(socket)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    opened.push(() => {
      for (const socket of sockets) socket.destroy()
      return new Promise(resolve => server.close(resolve))
    })
    return (server.address() as AddressInfo).port
  }

  const aClosedPort = async (): Promise<number> => {
    const server = createTcpServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    return port
  }

  describe('a request', () => {
    it('arrives with its method, target and fields, and its answer with status, fields and body', async () => {
      let seen: { method: string | undefined; target: string | undefined; fields: string[] } | undefined
      const { client } = await start((request, response) => {
        const authority = 'authority' in request ? request.authority : request.headers.host
        const fields = request.rawHeaders.map(text => text.toLowerCase())
        seen = { method: request.method, target: request.url, fields: [`host is ${authority}`, ...fields] }
        response.writeHead(207, {
          'content-type': 'text/plain',
          'set-cookie': ['a=1', 'b=2'],
          'x-name': 'Z\u00fc',
        })
        response.end('hello')
      })
      const { recorded } = sendRecorded(client, {
        method: 'PROPFIND',
        target: '/a%20b?c=d',
        fields: [
          'Accept',
          'a',
          'Host',
          'orders.test:81',
          'X-Twice',
          '1',
          'X-Twice',
          '2',
          'Authorization',
          'Bearer t',
        ],
      })
      await recorded.over()
      expect(recorded.failure).toBeUndefined()
      expect(seen?.method).toBe('PROPFIND')
      expect(seen?.target).toBe('/a%20b?c=d')
      expect(seen?.fields[0]).toBe('host is orders.test:81')
      const names = seen?.fields.filter(text => /^(?:accept|x-twice|authorization|[12])$/.test(text))
      expect(names).toEqual(['accept', 'x-twice', '1', 'x-twice', '2', 'authorization'])
      expect(recorded).toMatchObject({ status: 207, phrase: 'Multi-Status', text: 'hello', trailers: [] })
      expect(recorded.values('set-cookie')).toEqual(['a=1', 'b=2'])
      expect(recorded.values('x-name')).toEqual(['Z\u00fc'])
    })

    it.each([
      ['of known length', { length: 11 }, ['Content-Length', '11']],
      ['of a length that is not known', {}, []],
    ])('brings its body, %s', async (_, options, fields) => {
      const { client } = await start((request, response) => {
        const pieces: Buffer[] = []
        request.on('data', (piece: Buffer) => pieces.push(piece))
        request.on('end', () => response.end(`got ${Buffer.concat(pieces)}`))
      })
      const { source, body } = aRequestBody(options)
      const { recorded } = sendRecorded(client, { method: 'POST', fields: ['Host', 'a', ...fields], body })
      source.write('hello ')
      await sleep(20)
      source.end('world')
      await recorded.over()
      expect(recorded.text).toBe('got hello world')
      expect(body.bytes).toBe(11)
    })

    it('and its answer pass large bodies both ways, whole and unchanged', async () => {
      const { client } = await start((request, response) => void request.pipe(response))
      const { source, body } = aRequestBody()
      const { recorded } = sendRecorded(client, { method: 'PUT', body })
      const sent = createHash('sha256')
      for (let count = 0; count < 200; count += 1) {
        const piece = randomBytes(40_000 + count)
        sent.update(piece)
        if (!source.write(piece)) await once(source, 'drain')
      }
      source.end()
      await recorded.over(30_000)
      expect(recorded.failure).toBeUndefined()
      expect(createHash('sha256').update(recorded.body).digest('hex')).toBe(sent.digest('hex'))
    })

    it('gets the answer that is its own, among many at the same time', async () => {
      const { client, connections } = await start((request, response) => {
        setTimeout(() => response.end(`answer to ${request.url}`), Math.random() * 20)
      })
      const all = Array.from(
        { length: 300 },
        (_, index) => sendRecorded(client, { target: `/${index}` }).recorded,
      )
      for (const [index, recorded] of all.entries()) {
        await recorded.over()
        expect(recorded.text).toBe(`answer to /${index}`)
      }
      expect(connections()).toBeLessThanOrEqual(usual.most)
    })

    it('uses a connection that there is', async () => {
      const { client, connections } = await start((_, response) => response.end('ok'))
      for (let count = 0; count < 5; count += 1) {
        await sendRecorded(client).recorded.over()
        await rested()
      }
      expect(connections()).toBe(1)
    })

    it('brings its trailers', async () => {
      let trailers: readonly string[] = []
      const { client } = await start((request, response) => {
        request.resume()
        request.on('end', () => {
          trailers = request.rawTrailers
          response.end()
        })
      })
      const { source, body } = aRequestBody({}, [
        'X-Sum',
        '42',
        'X-More',
        'a',
        'X-More',
        'b',
        'Authorization',
        'x',
      ])
      const { recorded } = sendRecorded(client, { method: 'POST', body, announcesTrailers: true })
      source.end('sum')
      await recorded.over()
      const lower = trailers.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))
      expect(lower).toEqual(['x-sum', '42', 'x-more', 'a', 'x-more', 'b'])
    })
  })

  describe('a response', () => {
    it.each([
      ['to HEAD', 'HEAD', 200],
      ['of 204', 'GET', 204],
      ['of 304', 'GET', 304],
    ])('%s has no body, and the connection goes on', async (_, method, status) => {
      const { client, connections } = await start((_request, response) => {
        response.writeHead(status, status === 200 ? { 'content-length': '5' } : {})
        response.end()
      })
      for (let count = 0; count < 2; count += 1) {
        const { recorded } = sendRecorded(client, { method })
        await recorded.over()
        expect(recorded).toMatchObject({ status, bytes: 0, isEnded: true })
        await rested()
      }
      expect(connections()).toBe(1)
    })

    it('hands over what is before it, what is in it, and what is behind it', async () => {
      const { client } = await start((_, response) => {
        response.writeEarlyHints({ link: '</a.css>; rel=preload' })
        response.writeContinue()
        response.writeHead(200, { trailer: 'x-sum' })
        response.write('body')
        response.addTrailers({ 'x-sum': '42' })
        response.end()
      })
      const { recorded } = sendRecorded(client, { acceptsTrailers: true })
      await recorded.over()
      expect(recorded.interim.map(({ status }) => status)).toEqual([103])
      expect(recorded.interim[0]?.fields.at(-1)).toBe('</a.css>; rel=preload')
      expect(recorded.text).toBe('body')
      expect(recorded.trailers.map(text => text.toLowerCase())).toEqual(['x-sum', '42'])
    })

    it('is handed over as it comes, and says when that was all for now', async () => {
      let response: Response | undefined
      const { client } = await start((_, one) => {
        response = one
        one.writeHead(200)
        one.flushHeaders()
      })
      const { recorded } = sendRecorded(client)
      await until(() => recorded.status === 200 && recorded.pauses > 0, 'the head')
      response?.write('one')
      await until(() => recorded.text === 'one', 'the first piece')
      const { pauses } = recorded
      await until(() => recorded.pauses > pauses || pauses > 1, 'the pause behind it')
      response?.end('two')
      await recorded.over()
      expect(recorded.text).toBe('onetwo')
    })

    it('waits while it is paused, with little in between, and loses nothing', async () => {
      const piece = Buffer.alloc(64 * 1_024, 'x')
      const total = 64 * 1_024 * 1_024
      let written = 0
      const { client } = await start((_, response) => {
        const more = (): void => {
          while (written < total) {
            written += piece.length
            if (!response.write(piece)) return void response.once('drain', more)
          }
          response.end()
        }
        more()
      })
      const { recorded, call } = sendRecorded(client)
      recorded.onPiece = () => {
        recorded.onPiece = () => {}
        call.pause()
      }
      await until(() => recorded.bytes > 0, 'the first piece')
      let before = -1
      while (before !== written) {
        before = written
        await sleep(200)
      }
      expect(written).toBeLessThan(total / 2)
      expect(recorded.bytes).toBeLessThan(8 * 1_024 * 1_024)
      call.resume()
      await recorded.over(30_000)
      expect(recorded.bytes).toBe(total)
    })

    it('may come before the request has ended: it is whole, and the rest of the request is dropped', async () => {
      const { client } = await start((_, response) => {
        response.writeHead(413, { 'content-type': 'text/plain' })
        response.end('too much')
      })
      const { source, body } = aRequestBody()
      const { recorded } = sendRecorded(client, { method: 'POST', body })
      source.write('some')
      await recorded.over()
      expect(recorded).toMatchObject({ status: 413, text: 'too much', isEnded: true })
      let isDrained = false
      source.end(Buffer.alloc(1_000_000), () => {
        isDrained = true
      })
      await until(() => isDrained, 'the rest of the body')
      // And the client goes on.
      expect((await sendRecorded(client).recorded.over()).status).toBe(413)
    })
  })

  describe('a request body', () => {
    it('is read no faster than upstream takes it', async () => {
      let request: Request | undefined
      const { client } = await start((one, response) => {
        request = one
        one.on('end', () => response.end('done'))
      })
      const { source, body } = aRequestBody()
      const { recorded } = sendRecorded(client, { method: 'POST', body })
      const piece = Buffer.alloc(64 * 1_024)
      const total = 64 * 1_024 * 1_024
      let written = 0
      const feeding = (async () => {
        for (; written < total; written += piece.length) if (!source.write(piece)) await once(source, 'drain')
        source.end()
      })()
      await until(() => request !== undefined, 'the request')
      let before = -1
      while (before !== written) {
        before = written
        await sleep(200)
      }
      expect(written).toBeLessThan(total / 2)
      request?.resume()
      await feeding
      await recorded.over(30_000)
      expect(recorded.text).toBe('done')
      expect(body.bytes).toBe(total)
    })
  })

  describe('giving up', () => {
    it('ends the request at upstream at once, and the handler hears nothing more', async () => {
      let isGone = false
      const { client } = await start((request, response) => {
        if (request.url === '/next') return void response.end('next')
        response.writeHead(200)
        response.write('first')
        response.on('close', () => {
          isGone = true
        })
      })
      const { recorded, call } = sendRecorded(client)
      await until(() => recorded.text === 'first', 'the first piece')
      call.abort()
      call.abort()
      await until(() => isGone, 'upstream to see it')
      expect(recorded.isOver).toBe(false)
      expect((await sendRecorded(client, { target: '/next' }).recorded.over()).text).toBe('next')
    })

    it('within the body does not end the body for upstream, which could take it for whole', async () => {
      let ended: boolean | undefined
      const { client } = await start(request => {
        request.resume()
        request.on('error', () => {})
        request.on('end', () => {
          ended = !('aborted' in request && request.aborted)
        })
        request.on('close', () => {
          ended ??= false
        })
      })
      const { source, body } = aRequestBody()
      const { call } = sendRecorded(client, { method: 'POST', body })
      source.write('half of i')
      await until(() => body.bytes > 0, 'the body')
      await sleep(50)
      call.abort()
      await until(() => ended !== undefined, 'upstream to see it')
      expect(ended).toBe(false)
    })

    it('before there is a connection leaves nothing behind', async () => {
      const client = createClient(() => ({ socket: new Socket(), readyEvent: 'connect' }), {
        connectTimeoutMs: 200,
      })
      const { recorded, call } = sendRecorded(client)
      call.abort()
      await client.close()
      expect(recorded.isOver).toBe(false)
    })
  })

  describe('what does not answer', () => {
    it('in time to connect is upstream.timeout', async () => {
      const client = createClient(() => ({ socket: new Socket(), readyEvent: 'connect' }), {
        connectTimeoutMs: 100,
      })
      const { recorded } = sendRecorded(client, { method: 'POST' })
      await recorded.over()
      expect(recorded.failure).toMatchObject({ code: 'upstream.timeout' })
    })

    it('in time with its head is upstream.timeout, and is told', async () => {
      let isGone = false
      const { client } = await start(
        (_, response) =>
          response.on('close', () => {
            isGone = true
          }),
        { headersTimeoutMs: 100 },
      )
      const { recorded } = sendRecorded(client)
      await recorded.over()
      expect(recorded.failure).toEqual({ code: 'upstream.timeout', detail: 'no response' })
      await until(() => isGone, 'upstream to see it')
    })

    it('while the caller still sends is given the time', async () => {
      const { client } = await start(
        (request, response) => {
          request.resume()
          request.on('end', () => response.end('ok'))
        },
        { headersTimeoutMs: 200, bodyTimeoutMs: 200 },
      )
      const { source, body } = aRequestBody()
      const { recorded } = sendRecorded(client, { method: 'POST', body })
      source.write('a')
      await sleep(800)
      source.end('b')
      await recorded.over()
      expect(recorded).toMatchObject({ status: 200, text: 'ok' })
    })

    it('in time with the rest of its body is upstream.timeout; one that moves, or that waits for the caller, is not', async () => {
      const { client } = await start(
        (request, response) => {
          response.writeHead(200)
          response.write('start')
          if (request.url === '/stuck') return
          let count = 0
          const timer = setInterval(() => {
            count += 1
            if (count < 10) return void response.write('.')
            clearInterval(timer)
            response.end()
          }, 60)
        },
        { bodyTimeoutMs: 300 },
      )
      const stuck = sendRecorded(client, { target: '/stuck' }).recorded
      const moving = sendRecorded(client, { target: '/moving' }).recorded
      const { recorded: paused, call } = sendRecorded(client, { target: '/moving' })
      paused.onPiece = () => call.pause()
      await stuck.over()
      expect(stuck).toMatchObject({ status: 200, failure: { code: 'upstream.timeout' } })
      expect((await moving.over()).text).toBe('start.........')
      await sleep(600)
      expect(paused.isOver).toBe(false)
      paused.onPiece = () => {}
      call.resume()
      expect((await paused.over()).text).toBe('start.........')
    })
  })

  describe('what cannot be reached', () => {
    it('is upstream.unreachable', async () => {
      const client = createClient(connectTo(await aClosedPort()))
      const all = ['GET', 'POST'].map(method => sendRecorded(client, { method }).recorded)
      for (const recorded of all) {
        await recorded.over()
        expect(recorded.failure).toEqual({ code: 'upstream.unreachable', detail: 'ECONNREFUSED' })
      }
    })

    it('is tried once more when nothing was sent', async () => {
      const { port } = await start((_, response) => response.end('ok'))
      const closed = await aClosedPort()
      let count = 0
      const client = createClient(onread => connectTo(count++ === 0 ? closed : port)(onread))
      expect((await sendRecorded(client).recorded.over()).text).toBe('ok')
      expect(count).toBe(2)
    })

    it('because it ends the connection instead of answering is upstream.unreachable, and is not asked twice', async () => {
      let requests = 0
      const { client } = await start(request => {
        requests += 1
        request.socket.destroy()
      })
      const { recorded } = sendRecorded(client, { method: 'POST' })
      await recorded.over()
      expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
      expect(requests).toBe(1)
    })

    it('any more in the middle of a body is seen as broken, never as its end', async () => {
      const { client } = await start((_, response) => {
        response.writeHead(200)
        response.write('half', () => setTimeout(() => response.destroy(), 20))
      })
      const { recorded } = sendRecorded(client)
      await recorded.over()
      expect(recorded).toMatchObject({ status: 200, text: 'half', isEnded: false })
      expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
    })

    it('in this protocol is upstream.malformed', async () => {
      const port = await startTcp(socket => {
        socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.9\r\nProtocol mismatch.\r\n\r\n'))
      })
      const { recorded } = sendRecorded(createClient(connectTo(port)))
      await recorded.over()
      expect(recorded.failure).toMatchObject({ code: 'upstream.malformed' })
    })
  })

  describe('more requests than upstream takes at a time', () => {
    it('wait for one another', async () => {
      let [now, most] = [0, 0]
      const { client } = await start(
        (_, response) => {
          now += 1
          most = Math.max(most, now)
          setTimeout(() => {
            now -= 1
            response.end('ok')
          }, 20)
        },
        { most: 3 },
      )
      const all = Array.from({ length: 12 }, () => sendRecorded(client).recorded)
      for (const recorded of all) expect((await recorded.over()).text).toBe('ok')
      expect(most).toBe(3)
    })

    it('do not wait for ever', async () => {
      const { client } = await start(() => {}, { most: 1, connectTimeoutMs: 200 })
      const { recorded: first, call } = sendRecorded(client)
      const { recorded: second } = sendRecorded(client)
      await second.over()
      expect(second.failure).toMatchObject({ code: 'upstream.timeout' })
      expect(first.isOver).toBe(false)
      call.abort()
    })
  })

  describe('closing', () => {
    it('lets requests under way end, and then closes every connection', async () => {
      let response: Response | undefined
      const { client, sockets } = await start((request, one) => {
        if (request.url === '/quick') return void one.end('quick')
        response = one
        one.writeHead(200)
        one.write('first ')
      })
      const quick = sendRecorded(client, { target: '/quick' }).recorded
      const slow = sendRecorded(client).recorded
      await quick.over()
      await until(() => slow.text === 'first ', 'the first piece')
      let isClosed = false
      const closing = client.close().then(() => {
        isClosed = true
      })
      await sleep(100)
      expect(isClosed).toBe(false)
      response?.end('second')
      expect((await slow.over()).text).toBe('first second')
      await closing
      await until(() => sockets.size === 0, 'the end of the connections')
    })
  })
})
