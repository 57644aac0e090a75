import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { HttpHandler, HttpRequest } from '../../src/base/http-message.ts'
import { closeServer, listen } from '../../src/base/listen.ts'
import { createLog } from '../../src/base/log.ts'
import { createHandlerServer } from '../../src/base/serve-handler.ts'
import { openRaw, readAnswer, requestRaw, sendRaw } from '../support/raw-client.ts'

let server: Server
let port: number
let log: string[]
let received: HttpRequest[]

const limits = { maxBodyBytes: 1_000, headersTimeoutMs: 300, requestTimeoutMs: 600 }

async function start(handler?: HttpHandler, requestTimeoutMs = limits.requestTimeoutMs): Promise<void> {
  received = []
  log = []
  const echo: HttpHandler = async request => {
    received.push(request)
    return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: 'answer' }
  }
  server = createHandlerServer(handler ?? echo, {
    ...limits,
    requestTimeoutMs,
    log: createLog('test', line => log.push(line)),
  })
  port = (await listen(server, { host: '127.0.0.1', port: 0 })).port
}

afterEach(() => closeServer(server, 0))

const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
const post = (body: string, more = '') =>
  `POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`

describe('a request', () => {
  it('reaches the handler whole: method, path, query, every header value in order, body, peer', async () => {
    await start()
    const body = 'grant_type=x&ä=€'
    await requestRaw(
      port,
      Buffer.from(
        `POST /token?a=1&b=?2 HTTP/1.1\r\nHost: a:1\r\nX-Two: 1\r\nx-TWO: 2\r\nAuthorization: A\r\nAUTHORIZATION: B\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      ),
    )
    expect(received).toEqual([
      expect.objectContaining({ method: 'POST', path: '/token', query: 'a=1&b=?2', body, peer: '127.0.0.1' }),
    ])
    const headers = received[0]?.headers
    expect(headers?.get('x-two')).toEqual(['1', '2'])
    expect(headers?.get('authorization')).toEqual(['A', 'B'])
    expect(headers?.get('host')).toEqual(['a:1'])
  })

  it('may come in pieces and in chunks', async () => {
    await start()
    const { responses } = await sendRaw(port, [
      'POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      '2\r\nde\r\n0\r\n\r\n',
    ])
    expect(responses[0]?.status).toBe(200)
    expect(received[0]?.body).toBe('abcde')
  })

  it('keeps the connection for the next one', async () => {
    await start()
    const { responses } = await sendRaw(port, get('/1') + post('x') + get('/3'), { responses: 3 })
    expect(responses.map(response => response.status)).toEqual([200, 200, 200])
    expect(received.map(request => request.path)).toEqual(['/1', '/p', '/3'])
  })

  it('may ask for 100 Continue', async () => {
    await start()
    const socket = await openRaw(port)
    const answer = readAnswer(socket, { responses: 1 })
    socket.write('POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n')
    await delay(50)
    socket.write('ok')
    const { interim, responses } = await answer
    expect([interim[0]?.status, responses[0]?.status, received[0]?.body]).toEqual([100, 200, 'ok'])
  })
})

describe('an answer', () => {
  it('is not stored, not sniffed, and has its length', async () => {
    await start()
    const response = await requestRaw(port, get('/'))
    expect(response.header('cache-control')).toBe('no-store')
    expect(response.header('x-content-type-options')).toBe('nosniff')
    expect(response.header('content-type')).toBe('text/plain')
    expect(response.header('content-length')).toBe('6')
    expect(response.text).toBe('answer')
  })

  it('may be stored when the handler says so', async () => {
    await start(async () => ({ status: 200, headers: { 'Cache-Control': 'max-age=60' }, body: '' }))
    const response = await requestRaw(port, get('/'))
    expect(response.header('cache-control')).toBe('max-age=60')
  })

  it('to HEAD has the length and no body', async () => {
    await start()
    const response = await requestRaw(port, 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', { head: true })
    expect([response.header('content-length'), response.text]).toEqual(['6', ''])
  })

  it('is 404 when the handler knows no such path', async () => {
    await start(async () => undefined)
    expect((await requestRaw(port, get('/nowhere'))).status).toBe(404)
  })

  it('is 500 without a word when the handler throws, at once or later; the log says why', async () => {
    for (const handler of [
      async () => Promise.reject(new Error('the reason')),
      () => {
        throw new Error('the reason')
      },
    ]) {
      await start(handler)
      const response = await requestRaw(port, get('/'))
      expect([response.status, response.text]).toEqual([500, ''])
      expect(log.join('')).toContain('the reason')
      await closeServer(server, 0)
    }
  })

  it('is 500 when the handler sets a field that HTTP does not allow', async () => {
    await start(async () => ({ status: 200, headers: { 'x-a': 'b\r\nx-c: d' }, body: 'secret' }))
    const response = await requestRaw(port, get('/'))
    expect([response.status, response.text, response.header('x-c')]).toEqual([500, '', undefined])
  })

  it('is 503 when the handler takes too long', async () => {
    await start(() => new Promise(() => {}))
    const response = await requestRaw(port, get('/'))
    expect([response.status, response.header('retry-after')]).toEqual([503, '1'])
  })
})

describe('what is refused before the handler sees it', () => {
  const refused: readonly (readonly [string, number, string])[] = [
    ['an absolute-form target', 400, get('http://evil/x')],
    ['an asterisk-form target', 400, 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a fragment', 400, get('/a#b')],
    ['two Host fields', 400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['no Host', 400, 'GET / HTTP/1.1\r\n\r\n'],
    ['a compressed body', 415, post('x', 'Content-Encoding: gzip\r\n')],
    ['a body that is not UTF-8', 400, 'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\xc3\x28'],
    ['a long body', 413, post('x'.repeat(1_001))],
    [
      'a long body in chunks',
      413,
      `POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5dc\r\n${'x'.repeat(1_500)}\r\n0\r\n\r\n`,
    ],
    ['a long header section', 431, get('/', `x-long: ${'x'.repeat(20_000)}\r\n`)],
    ['an unknown expectation', 417, get('/', 'Expect: 200-ok\r\n')],
    ['a broken request line', 400, 'GET /a b HTTP/1.1\r\n\r\n'],
    ['an obscured Transfer-Encoding', 400, post('x', 'Transfer-Encoding: xchunked\r\n')],
  ]

  it.each(refused)('is %s', async (_, status, bytes) => {
    await start()
    const response = await requestRaw(port, bytes)
    expect(response.status).toBe(status)
    expect(response.text).not.toMatch(/xxxxx|evil/)
    expect(received).toEqual([])
    expect((await requestRaw(port, get('/ok'))).status).toBe(200)
  })

  it('is a long body that waits for 100 Continue: it is never asked for, and the connection ends', async () => {
    await start()
    const answer = await sendRaw(
      port,
      'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n',
      { quietMs: 500 },
    )
    expect(answer.interim).toEqual([])
    expect([answer.responses[0]?.status, answer.closed]).toEqual([413, true])
  })

  it('is not more than fits the limit, while a body of exactly the limit is fine', async () => {
    await start()
    expect((await requestRaw(port, post('x'.repeat(1_000)))).status).toBe(200)
    expect(received[0]?.body).toHaveLength(1_000)
  })

  it('lets no header field fall away, however many there are', async () => {
    await start()
    const fields = Array.from({ length: 2_500 }, (_, i) => `${i.toString(36)}:\r\n`).join('')
    await requestRaw(port, get('/', `${fields}Authorization: last\r\n`))
    expect(received[0]?.headers.get('authorization')).toEqual(['last'])
  })
})

describe('slowness', () => {
  it('of a header section is answered 408', async () => {
    await start()
    const response = await requestRaw(port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ', { timeoutMs: 4_000 })
    expect(response.status).toBe(408)
  })

  it('of a body ends the connection, and the handler is not called', async () => {
    await start()
    const slow = 'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc'
    const answer = await sendRaw(port, slow, { timeoutMs: 4_000 })
    expect(answer.closed).toBe(true)
    expect(received).toEqual([])
  })

  it('of a caller that went away leaves nothing behind', async () => {
    await start()
    const socket = await openRaw(port)
    socket.write('POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
    await delay(50)
    socket.resetAndDestroy()
    await delay(50)
    expect(received).toEqual([])
    expect(log).toEqual([])
    expect((await requestRaw(port, get('/ok'))).status).toBe(200)
  })
})

describe('closing', () => {
  it('lets a request under way end and tells the caller that the connection ends', async () => {
    const begun = Promise.withResolvers<void>()
    const end = Promise.withResolvers<void>()
    await start(async () => {
      begun.resolve()
      await end.promise
      return { status: 200, headers: {}, body: 'late' }
    })
    const socket = await openRaw(port)
    const answer = readAnswer(socket, { quietMs: 2_000 })
    socket.write(get('/'))
    await begun.promise
    const closing = closeServer(server, 10_000)
    await delay(50)
    end.resolve()
    await closing
    const { responses, closed } = await answer
    expect([responses[0]?.text, responses[0]?.header('connection'), closed]).toEqual(['late', 'close', true])
  })

  it('breaks off after the grace, and closes idle connections at once', async () => {
    await start(() => new Promise(() => {}), 60_000)
    const idle = await openRaw(port)
    const stuck = await openRaw(port)
    stuck.write(get('/'))
    await delay(50)
    const ended = [idle, stuck].map(socket => new Promise(resolve => socket.once('close', resolve)))
    for (const socket of [idle, stuck]) socket.resume()
    await closeServer(server, 100)
    await Promise.all(ended)
  })

  it('says when the address is taken', async () => {
    await start()
    const other = createHandlerServer(async () => undefined, {
      ...limits,
      log: createLog('test', () => {}),
    })
    await expect(listen(other, { host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
