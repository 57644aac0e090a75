import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { pause } from '../support/pause.ts'
import { openRaw, readAnswer, requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { until } from '../support/until.ts'
import { response } from '../support/upstream.ts'

let hop: RunningHop
let token: string

beforeAll(async () => {
  hop = await startHop()
  token = await hop.issuer.sign({ scope: 'orders:read' })
})

afterAll(() => hop.close())

afterEach(() => {
  hop.upstream.clear()
  hop.upstream.answerWith(response(200, 'ok'))
})

const authorized = (): Record<string, string> => ({ authorization: `Bearer ${token}` })
const head = (method: string, path: string, ...fields: string[]): string =>
  `${method} ${path} HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`

describe('a forwarded request', () => {
  it('carries the issued token and nothing of the presented one', async () => {
    await fetch(`${hop.url}/orders/17?x=1`, { headers: authorized() })
    const received = await hop.upstream.request()
    const [issued, ...others] = received.headerAll('authorization')
    expect(others).toEqual([])
    expect(issued).toMatch(/^Bearer eyJ/)
    const claims = JSON.parse(Buffer.from(issued?.split('.')[1] ?? '', 'base64url').toString())
    expect(claims).toMatchObject({
      aud: 'orders-api',
      sub: 'alice',
      scope: 'orders:read',
      act: { sub: 'orders' },
    })
    expect(Buffer.concat(hop.upstream.connections.map(({ raw }) => raw)).toString()).not.toContain(
      token.split('.')[2],
    )
    expect(received.target).toBe('/orders/17?x=1')
  })

  it('says the way it came: Host kept, Via, Forwarded, X-Forwarded-*, request id and trace', async () => {
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await requestRaw(
      hop.port,
      head(
        'GET',
        '/orders',
        'X-Request-Id: caller-0001',
        `traceparent: ${trace}`,
        'tracestate: a=1',
        'X-Forwarded-For: 6.6.6.6',
        'Via: 1.1 edge',
      ),
    )
    const received = await hop.upstream.request()
    expect(received.headerAll('host')).toEqual(['orders.test'])
    expect(received.headerAll('via')).toEqual(['1.1 edge, 1.1 hopgate-orders'])
    expect(received.headerAll('x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(received.headerAll('forwarded')).toEqual(['for=127.0.0.1;host=orders.test;proto=http'])
    expect(received.headerAll('x-request-id')).toEqual(['caller-0001'])
    expect(received.header('traceparent')).toMatch(
      /^00-4bf92f3577b34da6a3ce929d0e0e4736-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$/,
    )
    expect(received.header('tracestate')).toBe('a=1')
  })

  it('brings no credentials to a public route', async () => {
    await fetch(`${hop.url}/public/page`, { headers: authorized() })
    expect((await hop.upstream.request()).headerAll('authorization')).toEqual([])
  })

  it('exchanges once and then remembers', async () => {
    const fresh = await hop.issuer.sign({ scope: 'orders:read' })
    const before = hop.lines.length
    for (let count = 0; count < 3; count++) {
      await fetch(`${hop.url}/orders`, { headers: { authorization: `Bearer ${fresh}` } })
    }
    const sources = await Promise.all([0, 1, 2].map(async n => (await hop.event(before + n))['outbound']))
    expect(sources.map(outbound => (outbound as { source: string }).source)).toEqual([
      'issued',
      'memory',
      'memory',
    ])
  })
})

describe('a route without scope', () => {
  it('gets a token without any, also when another route to the same audience has some', async () => {
    const routes = `
  - { path: /orders, audience: orders-api, scope: orders:read }
  - { path: /status, audience: orders-api }`
    const gate = await startHop({ routes, upstream: hop.upstream })
    const presented = await gate.issuer.sign({ scope: 'orders:read' })
    const answer = await fetch(`${gate.url}/status`, { headers: { authorization: `Bearer ${presented}` } })
    expect(answer.status).toBe(200)
    const received = await hop.upstream.request()
    const claims = received.header('authorization')?.split('.')[1] ?? ''
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).not.toHaveProperty('scope')
    await gate.close()
  })
})

describe('a response', () => {
  it('streams as it comes: an event reaches the caller before the next one is sent', async () => {
    let release = (): void => {}
    hop.upstream.answerWith((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
      socket.write('9\r\ndata: 1\n\n\r\n')
      release = () => socket.write('9\r\ndata: 2\n\n\r\n0\r\n\r\n')
      return undefined
    })
    const answer = await fetch(`${hop.url}/orders/events`, { headers: authorized() })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('data: 1\n\n')
    release()
    expect((await reader?.read())?.value).toBe('data: 2\n\n')
    expect((await reader?.read())?.done).toBe(true)
  })

  it('shows its headers before there is a body', async () => {
    let release = (): void => {}
    hop.upstream.answerWith((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')
      release = () => socket.write('ok')
      return undefined
    })
    const answer = await fetch(`${hop.url}/orders`, { headers: authorized() })
    expect(answer.status).toBe(200)
    release()
    expect(await answer.text()).toBe('ok')
  })

  it('keeps every Set-Cookie, 204, 304, HEAD and unknown status', async () => {
    hop.upstream.enqueue(
      'HTTP/1.1 299 Odd\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n',
    )
    const answer = await requestRaw(hop.port, head('GET', '/orders'))
    expect(answer.status).toBe(299)
    expect(
      answer.headers.filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, value]) => value),
    ).toEqual(['a=1', 'b=2'])
    hop.upstream.enqueue(
      'HTTP/1.1 204 None\r\n\r\n',
      'HTTP/1.1 304 Same\r\nETag: "x"\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n',
    )
    expect((await fetch(`${hop.url}/orders`, { headers: authorized() })).status).toBe(204)
    expect((await fetch(`${hop.url}/orders`, { headers: authorized() })).headers.get('etag')).toBe('"x"')
    const headOnly = await fetch(`${hop.url}/orders`, { method: 'HEAD', headers: authorized() })
    expect(headOnly.headers.get('content-length')).toBe('999')
  })

  it('brings its trailers, but no credentials in them', async () => {
    hop.upstream.enqueue(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\nAuthorization: Bearer x\r\n\r\n',
    )
    const socket = await openRaw(hop.port)
    socket.write(head('GET', '/orders'))
    const { raw } = await readAnswer(socket, { responses: 1 })
    expect(raw.toString()).toMatch(/x-sum: 42/i)
    expect(raw.toString()).not.toMatch(/authorization/i)
    socket.destroy()
  })

  it('keeps header bytes beyond ASCII, and leaves out a reason phrase that is not ASCII', async () => {
    hop.upstream.enqueue(
      Buffer.from(
        'HTTP/1.1 404 Pas trouv\u00e9\r\nContent-Length: 0\r\nX-Name: \u00c5\u0081\r\n\r\n',
        'latin1',
      ),
      Buffer.from('HTTP/1.1 404 \u0141\u00f3d\u017a\r\nContent-Length: 0\r\nX-Name: \u0141\r\n\r\n'),
    )
    for (let count = 0; count < 2; count++) {
      const socket = await openRaw(hop.port)
      socket.write(head('GET', '/orders'))
      const { raw } = await readAnswer(socket, { responses: 1 })
      expect(raw.toString()).toMatch(/^HTTP\/1\.1 404 ?\r\n/)
      expect(raw.toString()).toContain('X-Name: \u0141\r\n')
      socket.destroy()
    }
  })

  it('that breaks off is seen as broken, and recorded as failed', async () => {
    const before = hop.lines.length
    hop.upstream.enqueue((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
      void pause(20).then(() => socket.destroy())
      return undefined
    })
    const answer = await fetch(`${hop.url}/orders`, { headers: authorized() })
    await expect(answer.text()).rejects.toThrow()
    expect(await hop.event(before)).toMatchObject({
      type: 'io.hopgate.hop.failed.v1',
      delivery: { complete: false },
    })
  })

  it('gives 103 early hints to the caller', async () => {
    hop.upstream.enqueue(
      `HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n${response(200, 'ok')}`,
    )
    const socket = await openRaw(hop.port)
    socket.write(head('GET', '/orders'))
    const { interim, responses } = await readAnswer(socket, { responses: 1 })
    expect(interim[0]?.status).toBe(103)
    expect(interim[0]?.header('link')).toBe('</a.css>; rel=preload')
    expect(responses[0]?.text).toBe('ok')
    socket.destroy()
  })
})

describe('a body', () => {
  it('passes whole and unchanged both ways, sized or chunked', async () => {
    const size = 48 * 1024 * 1024
    const block = randomBytes(1024 * 1024)
    const mirror = createServer((request, answer) => {
      answer.writeHead(200, { 'x-framing': request.headers['content-length'] ?? 'chunked' })
      request.pipe(answer)
    }).listen(0, '127.0.0.1')
    await once(mirror, 'listening')
    const { port } = mirror.address() as { port: number }
    const gate = await startHop({ upstream: { ...hop.upstream, url: `http://127.0.0.1:${port}` } })
    const presented = await gate.issuer.sign({ scope: 'orders:read' })
    for (const framing of [{ 'content-length': String(size) }, {}]) {
      const sent = createHash('sha256')
      const received = createHash('sha256')
      const outgoing = httpRequest(`${gate.url}/orders`, {
        method: 'POST',
        headers: { authorization: `Bearer ${presented}`, ...framing },
      })
      const answered = once(outgoing, 'response')
      const feeding = (async () => {
        for (let left = size; left > 0; left -= block.length) {
          sent.update(block)
          if (!outgoing.write(block)) await once(outgoing, 'drain')
        }
        outgoing.end()
      })()
      const [answer] = await answered
      expect(answer.headers['x-framing']).toBe(framing['content-length'] ?? 'chunked')
      for await (const chunk of answer) received.update(chunk)
      await feeding
      expect(received.digest('hex')).toBe(sent.digest('hex'))
    }
    await gate.close()
    mirror.close()
  })

  it('waits for 100 Continue only when it is admitted', async () => {
    const socket = await openRaw(hop.port)
    socket.write(head('POST', '/orders', 'Expect: 100-continue', 'Content-Length: 5'))
    const [interim] = await once(socket, 'data')
    expect(String(interim)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('hello')
    const { responses } = await readAnswer(socket, { responses: 1 })
    expect(responses[0]?.status).toBe(200)
    expect((await hop.upstream.request()).body.toString()).toBe('hello')
    socket.destroy()
  })

  it('of an aborted request never meets the next request: its upstream connection is closed', async () => {
    const socket = await openRaw(hop.port)
    socket.write(`${head('POST', '/orders', 'Content-Length: 1000')}first`)
    const withFirst = () =>
      hop.upstream.connections.filter(({ isOpen, raw }) => isOpen && raw.toString().includes('first'))
    await until(() => withFirst().length === 1, 'the beginning of its body')
    socket.destroy()
    await until(() => withFirst().length === 0, 'the end of its upstream connection')
    await fetch(`${hop.url}/orders`, { method: 'POST', body: 'second', headers: authorized() })
    const requests = hop.upstream.requests.filter(one => one.body.toString() === 'second')
    expect(requests).toHaveLength(1)
  })
})

describe('pipelined requests', () => {
  it('are each authenticated, and answered in order', async () => {
    const socket = await openRaw(hop.port)
    socket.write(
      `${head('GET', '/orders/1')}GET /orders/2 HTTP/1.1\r\nHost: orders.test\r\n\r\n${head('GET', '/orders/3')}`,
    )
    const { responses } = await readAnswer(socket, { responses: 3 })
    expect(responses.map(({ status }) => status)).toEqual([200, 401, 200])
    expect(hop.upstream.requests.map(({ target }) => target).sort()).toEqual(['/orders/1', '/orders/3'])
    socket.destroy()
  })
})

describe('an upgrade', () => {
  let echo: WebSocketServer
  let gate: RunningHop
  const seen: (string | undefined)[] = []

  beforeAll(async () => {
    echo = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    echo.on('connection', (socket, request) => {
      seen.push(request.headers.authorization)
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    })
    await once(echo, 'listening')
    const { port } = echo.address() as { port: number }
    const routes = `
  - { path: /live, audience: orders-api, scope: orders:read, websocket: true }
  - { path: /plain, audience: orders-api, scope: orders:read }`
    gate = await startHop({ routes, upstream: { ...hop.upstream, url: `http://127.0.0.1:${port}` } })
  })

  afterAll(async () => {
    await gate.close()
    echo.close()
  })

  const open = (
    path: string,
    headers: Record<string, string>,
  ): Promise<{ socket: WebSocket; status: number }> =>
    new Promise(resolve => {
      const socket = new WebSocket(`${gate.url.replace('http', 'ws')}${path}`, { headers })
      socket.once('open', () => resolve({ socket, status: 101 }))
      socket.once('unexpected-response', (_request, answer) =>
        resolve({ socket, status: answer.statusCode ?? 0 }),
      )
      socket.once('error', () => {})
    })

  it('opens with the issued token, and carries messages both ways', async () => {
    const before = gate.lines.length
    const presented = await gate.issuer.sign({ scope: 'orders:read' })
    const { socket, status } = await open('/live', { authorization: `Bearer ${presented}` })
    expect(status).toBe(101)
    const echoed = new Promise(resolve => socket.once('message', data => resolve(String(data))))
    socket.send('hello')
    expect(await echoed).toBe('hello')
    expect(seen.at(-1)).toMatch(/^Bearer eyJ/)
    expect(seen.at(-1)).not.toContain(presented)
    expect(await gate.event(before)).toMatchObject({ status: 101 })
    socket.terminate()
  })

  it('is refused before 101 without a good token, and on a route that takes none', async () => {
    expect((await open('/live', {})).status).toBe(401)
    expect((await open('/live', { authorization: 'Bearer a.b.c' })).status).toBe(401)
    const presented = await gate.issuer.sign({ scope: 'orders:read' })
    expect((await open('/plain', { authorization: `Bearer ${presented}` })).status).toBe(400)
  })

  it('ends when the presented token does', async () => {
    const presented = await gate.issuer.sign({ scope: 'orders:read', exp: Math.floor(Date.now() / 1000) + 2 })
    const { socket, status } = await open('/live', { authorization: `Bearer ${presented}` })
    expect(status).toBe(101)
    await new Promise(resolve => socket.once('close', resolve))
  })

  it('answers 502 when upstream is not there', async () => {
    const broken = await startHop({
      routes: '\n  - { path: /live, audience: orders-api, websocket: true }',
      upstream: { ...hop.upstream, url: 'http://127.0.0.1:1' },
    })
    const presented = await broken.issuer.sign()
    const answer = await requestRaw(
      broken.port,
      `GET /live HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${presented}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    expect(answer.status).toBe(502)
    expect(await broken.event()).toMatchObject({ refusal: 'upstream.unreachable' })
    await broken.close()
  })

  it('of another protocol is ignored: the request is answered as HTTP/1.1', async () => {
    const answer = await requestRaw(
      hop.port,
      head(
        'GET',
        '/orders',
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
      ),
    )
    expect(answer.status).toBe(200)
    const received = await hop.upstream.request()
    expect(received.header('upgrade')).toBeUndefined()
    expect(received.header('http2-settings')).toBeUndefined()
  })
})
