import { once } from 'node:events'
import {
  createSecureServer,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { canMakeCertificates, createAuthority, withCertificates } from '../support/certificate.ts'
import { connectHttp2Client, type Http2Client } from '../support/http2-client.ts'
import { openRaw, readAnswer, requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { writeTlsFiles } from '../support/tls.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/** A hop before an upstream that speaks HTTP/2, for callers of both versions. */

type Answer = (request: Http2ServerRequest, response: Http2ServerResponse) => void

const routes = `
  - { path: /orders/**, audience: orders-api, scope: orders:read }
  - { path: /live, audience: orders-api, scope: orders:read, websocket: true }
  - { path: /public/**, public: true }
`

let unused: Upstream
beforeAll(async () => {
  unused = await startUpstream()
})
afterAll(() => unused.close())

const startGate = (upstream: string): Promise<RunningHop> =>
  startHop({ routes, upstream: { ...unused, url: upstream } })

const head = (token: string, method: string, path: string, ...fields: string[]): string =>
  `${method} ${path} HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`

describe('an upstream that speaks HTTP/2', () => {
  let answer: Answer
  let hop: RunningHop
  let token: string
  let caller: Http2Client
  let connections = 0
  const server = createServer((request, response) => answer(request, response))
  server.on('connection', () => {
    connections += 1
  })

  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    hop = await startGate(
      `{ url: 'http://127.0.0.1:${(server.address() as AddressInfo).port}', protocol: h2 }`,
    )
    token = await hop.issuer.sign({ scope: 'orders:read' })
    caller = await connectHttp2Client(hop.url)
  })

  afterAll(async () => {
    await caller.close()
    await hop.close()
    server.close()
  })

  afterEach(() => {
    answer = (_, response) => response.end('ok')
  })

  const authorized = (): Record<string, string> => ({ authorization: `Bearer ${token}` })

  it('gets the issued token and the caller\u2019s host, and nothing of the presented token', async () => {
    let seen: { headers: IncomingHttpHeaders; raw: readonly string[]; url: string } | undefined
    answer = (request, response) => {
      seen = { headers: request.headers, raw: request.rawHeaders, url: request.url }
      response.end('ok')
    }
    for (const send of [
      () =>
        requestRaw(
          hop.port,
          head(token, 'GET', '/orders/17?x=1', 'X-Mixed-Case: Yes', 'Connection: close, X-Gone', 'X-Gone: 1'),
        ),
      () => caller.request({ ':path': '/orders/17?x=1', ...authorized(), 'x-mixed-case': 'Yes' }),
    ]) {
      const { status, text } = await send()
      expect([status, text]).toEqual([200, 'ok'])
      expect(seen?.url).toBe('/orders/17?x=1')
      expect(seen?.headers[':authority']).toBe('orders.test')
      expect(seen?.headers).toMatchObject({
        'x-mixed-case': 'Yes',
        via: expect.stringMatching(/hopgate-orders$/),
      })
      expect(seen?.headers).not.toHaveProperty('x-gone')
      expect(seen?.raw.filter(name => name === 'authorization')).toHaveLength(1)
      expect(seen?.raw.join()).not.toContain(token.split('.')[2])
      const claims = seen?.headers.authorization?.split('.')[1] ?? ''
      expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
        aud: 'orders-api',
        sub: 'alice',
      })
    }
  })

  it('is asked for trailers where the caller was, and sends them to it', async () => {
    const asked: unknown[] = []
    answer = (request, response) => {
      asked.push(request.headers.te)
      response.write('body')
      response.addTrailers({ 'x-sum': '42', authorization: 'Bearer x' })
      response.end()
    }
    const plain = await caller.request({ ':path': '/public/1' })
    const with2 = await caller.request({ ':path': '/public/1', te: 'trailers' })
    const with1 = await requestRaw(
      hop.port,
      head(token, 'GET', '/orders/1', 'TE: trailers, deflate;q=0.5', 'Connection: TE'),
    )
    await caller.request(
      { ':path': '/public/1', ':method': 'POST', 'content-type': 'application/grpc+proto' },
      '',
    )
    expect(asked).toEqual([undefined, 'trailers', 'trailers', 'trailers'])
    expect(plain.trailers).toMatchObject({ 'x-sum': '42' })
    expect(plain.trailers).not.toHaveProperty('authorization')
    expect(with2.trailers).toMatchObject({ 'x-sum': '42' })
    expect(with1.raw.toString()).toMatch(/\r\nx-sum: 42\r\n/)
    expect(with1.raw.toString()).not.toMatch(/authorization/i)
  })

  it('gets the trailers of a request that has announced them, without credentials', async () => {
    let trailers: readonly string[] | undefined
    answer = (request, response) => {
      request.resume().on('end', () => {
        trailers = request.rawTrailers
        response.end()
      })
    }
    const stream = caller.session.request(
      { ':method': 'POST', ':path': '/public/1', ':authority': 'orders.test', trailer: 'x-sum' },
      { endStream: false, waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42', authorization: 'Bearer x' }))
    stream.end('body')
    await once(stream, 'response')
    expect(trailers).toEqual(['x-sum', '42'])
    const chunked = ['Transfer-Encoding: chunked', 'Trailer: X-Sum']
    await requestRaw(
      hop.port,
      `${head(token, 'POST', '/orders/1', ...chunked)}4\r\nbody\r\n0\r\nX-Sum: 43\r\nX-User: eve\r\n\r\n`,
    )
    expect(trailers).toEqual(['x-sum', '43'])
  })

  it('answers with every field, early hints and statuses as they are', async () => {
    answer = (_, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.writeHead(
        404,
        [
          ['set-cookie', 'a=1'],
          ['x-name', 'one'],
          ['set-cookie', 'b=2'],
        ].flat() as never,
      )
      response.end('gone')
    }
    const socket = await openRaw(hop.port)
    socket.write(head(token, 'GET', '/orders/1'))
    const { responses, interim } = await readAnswer(socket, { responses: 1 })
    socket.destroy()
    expect(interim.map(({ status }) => status)).toEqual([103])
    expect(responses[0]?.status).toBe(404)
    expect(responses[0]?.startLine).toBe('HTTP/1.1 404 Not Found')
    const cookies = responses[0]?.headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value)
    expect(cookies).toEqual(['a=1', 'b=2'])
    const over2 = await caller.request({ ':path': '/orders/1', ...authorized() })
    expect(over2).toMatchObject({ status: 404, text: 'gone' })
    expect(over2.headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(over2.interim).toHaveLength(1)
  })

  it('that breaks off is seen as broken by every caller', async () => {
    answer = (_, response) => {
      response.writeHead(200)
      response.write('half', () => setTimeout(() => response.stream.close(0), 20))
    }
    const before = hop.lines.length
    const answer1 = await fetch(`${hop.url}/orders/1`, { headers: authorized() })
    await expect(answer1.text()).rejects.toThrow()
    expect((await caller.request({ ':path': '/orders/1', ...authorized() })).rstCode).not.toBe(0)
    for (const index of [0, 1]) {
      expect(await hop.event(before + index)).toMatchObject({
        type: 'io.hopgate.hop.failed.v1',
        delivery: { complete: false },
      })
    }
  })

  it('is told at once when the caller gives up', async () => {
    const gone: number[] = []
    answer = (request, response) => {
      response.writeHead(200)
      response.write('first')
      request.stream.once('close', () => gone.push(request.stream.rstCode))
    }
    const controller = new AbortController()
    await fetch(`${hop.url}/orders/1`, { headers: authorized(), signal: controller.signal })
    controller.abort()
    await until(() => gone.length === 1, 'the end of the first request')
    const stream = caller.open({ ':method': 'POST', ':path': '/orders/1', ...authorized() })
    stream.on('error', () => {})
    await once(stream, 'response')
    stream.close(8)
    await until(() => gone.length === 2, 'the end of the second request')
    expect(gone).toEqual([8, 8])
  })

  it('serves many callers over few connections', async () => {
    answer = (request, response) => setTimeout(() => response.end(`for ${request.url}`), 20)
    const before = connections
    const texts = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const { text } = await caller.request({ ':path': `/orders/${index}`, ...authorized() })
        return text
      }),
    )
    expect(texts).toEqual(Array.from({ length: 200 }, (_, index) => `for /orders/${index}`))
    expect(connections - before).toBeLessThanOrEqual(1)
  })

  it('gets no WebSocket when it speaks nothing but HTTP/2', async () => {
    const before = hop.lines.length
    const upgrade = [
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==',
    ]
    const { status } = await requestRaw(hop.port, head(token, 'GET', '/live', ...upgrade))
    expect(status).toBe(502)
    expect((await hop.event(before)).refusal).toMatch(/^upstream\.(?:malformed|unreachable)$/)
  })

  it('is not there: that is upstream.unreachable', async () => {
    const gate = await startGate(`{ url: 'http://127.0.0.1:1', protocol: h2 }`)
    const response = await fetch(`${gate.url}/public/1`)
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({ code: 'upstream.unreachable' })
    await gate.close()
  })

  it('may end what it has begun when the sidecar stops', async () => {
    let stream: ServerHttp2Stream | undefined
    answer = (request, response) => {
      stream = request.stream
      response.writeHead(200)
      response.write('first ')
    }
    const { port } = server.address() as AddressInfo
    const gate = await startGate(`{ url: 'http://127.0.0.1:${port}', protocol: h2 }`)
    const response = await fetch(`${gate.url}/public/1`)
    await until(() => stream !== undefined, 'the request')
    const closing = gate.sidecar.close()
    await new Promise(resolve => setTimeout(resolve, 50))
    stream?.end('last')
    expect(await response.text()).toBe('first last')
    await closing
    await until(() => stream?.session === undefined || stream.session.destroyed, 'the end of the connection')
  })
})

describe.skipIf(!canMakeCertificates)(
  `an upstream that speaks HTTP/2 and HTTP/1.1 with TLS${withCertificates}`,
  () => {
    it('gets requests over the one and WebSockets over the other', async () => {
      const authority = createAuthority()
      const files = writeTlsFiles({ ca: authority.cert })
      const versions: string[] = []
      const certificate = authority.issue({ names: ['IP:127.0.0.1'] })
      const server = createSecureServer({ ...certificate, allowHTTP1: true }, (request, response) => {
        versions.push(request.httpVersion)
        response.end('ok')
      })
      const sockets = new WebSocketServer({ noServer: true })
      server.on('upgrade', (request, socket, first) => {
        versions.push(`${request.httpVersion} upgrade`)
        sockets.handleUpgrade(request, socket, first, peer =>
          peer.on('message', data => peer.send(`re: ${data}`)),
        )
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const gate = await startGate(
        `{ url: 'https://127.0.0.1:${port}', protocol: h2, tls: { ca: '${files.ca}' } }`,
      )
      const token = await gate.issuer.sign({ scope: 'orders:read' })
      const headers = { authorization: `Bearer ${token}` }
      expect(await (await fetch(`${gate.url}/orders/1`, { headers })).text()).toBe('ok')
      const socket = new WebSocket(`${gate.url.replace('http', 'ws')}/live`, { headers })
      await once(socket, 'open')
      socket.send('hello')
      const [heard] = await once(socket, 'message')
      expect(String(heard)).toBe('re: hello')
      expect(versions).toEqual(['2.0', '1.1 upgrade'])
      socket.terminate()
      await gate.close()
      server.close()
    })

    it('is upstream.unreachable when it does not speak HTTP/2, and gets no token', async () => {
      const authority = createAuthority()
      const files = writeTlsFiles({ ca: authority.cert })
      let requests = 0
      const { createServer: createHttps } = await import('node:https')
      const server = createHttps(authority.issue({ names: ['IP:127.0.0.1'] }), (_, response) => {
        requests += 1
        response.end()
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const gate = await startGate(
        `{ url: 'https://127.0.0.1:${port}', protocol: h2, tls: { ca: '${files.ca}' } }`,
      )
      expect((await fetch(`${gate.url}/public/1`)).status).toBe(502)
      expect(await gate.event()).toMatchObject({
        refusal: 'upstream.unreachable',
        detail: expect.stringMatching(/ALPN|NO_APPLICATION_PROTOCOL/),
      })
      expect(requests).toBe(0)
      await gate.close()
      server.close()
    })
  },
)
