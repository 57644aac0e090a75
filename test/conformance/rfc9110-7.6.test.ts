import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  openRaw,
  type RawAnswer,
  type RawResponse,
  readAnswer,
  requestRaw,
  sendRaw,
} from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { type RecordedRequest, response } from '../support/upstream.ts'
import { handshakeAnswer } from '../support/websocket-bytes.ts'

/**
 * RFC 9110 §7.6 and what else it asks of an intermediary, seen from outside: bytes in on a socket, bytes out, and the
 * bytes that the upstream got.
 */

let hop: RunningHop

beforeAll(async () => {
  const routes = `
  - { path: /page, public: true, methods: [GET, HEAD, POST, OPTIONS] }
  - { path: /live, public: true, websocket: true }
  - { path: /orders, audience: orders-api, scope: orders:read }`
  hop = await startHop({ routes })
})

afterAll(() => hop.close())

afterEach(() => {
  hop.upstream.clear()
  hop.upstream.answerWith(response(200, 'ok'))
})

const lines = (...fields: readonly string[]): string => fields.map(field => `${field}\r\n`).join('')

const send = (startLine: string, fields: readonly string[] = [], body = ''): Promise<RawResponse> =>
  requestRaw(hop.port, `${startLine} HTTP/1.1\r\nHost: orders.test\r\n${lines(...fields)}\r\n${body}`)

/** What the upstream got for a GET of `/page` with these fields. */
async function forward(...fields: string[]): Promise<RecordedRequest> {
  expect((await send('GET /page', fields)).status).toBe(200)
  return hop.upstream.request()
}

/** What the caller got when the upstream answered with these fields and the body `ok`. */
function relay(...fields: string[]): Promise<RawResponse> {
  hop.upstream.answerWith(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${lines(...fields)}\r\nok`)
  return send('GET /page')
}

async function expectRefused(answer: Promise<RawResponse>, status: number): Promise<RawResponse> {
  const refused = await answer
  expect(refused.status).toBe(status)
  expect(hop.upstream.connections.some(({ raw }) => raw.includes('x-refused'))).toBe(false)
  expect(hop.upstream.requests).toEqual([])
  return refused
}

describe('§6.5.1 limitations on use of trailers', () => {
  const chunked = (...trailers: string[]): string =>
    `Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${lines(...trailers)}\r\n`

  it('§6.5.1 relays trailers of a request as trailers, and drops those that identify', async () => {
    const raw = `POST /page HTTP/1.1\r\nHost: orders.test\r\n${chunked('X-Late: 1', 'Authorization: Bearer x')}`
    expect((await requestRaw(hop.port, raw)).status).toBe(200)
    const received = await hop.upstream.request()
    expect(received.body.toString()).toBe('ok')
    expect(received.raw.toString()).toMatch(/\r\n\r\n2\r\nok\r\n0\r\nX-Late: 1\r\n\r\n$/)
    expect(received.raw.toString()).not.toMatch(/authorization/i)
  })

  it('§6.5.1 relays trailers of a response as trailers', async () => {
    hop.upstream.answerWith(`HTTP/1.1 200 OK\r\n${chunked('X-Late: 1')}`)
    const answer = await send('GET /page')
    expect(answer.header('x-late')).toBeUndefined()
    expect(answer.raw.toString()).toMatch(/0\r\nx-late: 1\r\n\r\n$/i)
  })

  it('§6.5.1 drops trailers that frame, route, authenticate or change the response', async () => {
    const late = ['Host: x', 'Authorization: x', 'Set-Cookie: a=b', 'Cache-Control: x']
    hop.upstream.answerWith(`HTTP/1.1 200 OK\r\n${chunked(...late, 'Content-Type: x', 'X-Late: 1')}`)
    const { raw } = await send('GET /page')
    expect(raw.toString().split('0\r\n').at(-1)?.toLowerCase()).toBe('x-late: 1\r\n\r\n')
  })

  it('§6.5.1 refuses a response whose trailers frame it anew', async () => {
    hop.upstream.answerWith(`HTTP/1.1 200 OK\r\n${chunked('Content-Length: 9')}`)
    const answer = await send('GET /page')
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([502, 'upstream.malformed'])
  })
})

describe('§7.2 Host and :authority', () => {
  it('§7.2 forwards the Host that the caller sent', async () => {
    expect((await forward()).headerAll('host')).toEqual(['orders.test'])
  })

  it.each([
    ['no Host', ''],
    ['two', 'Host: a\r\nHost: a\r\n'],
    ['an empty one', 'Host:\r\n'],
    ['a list', 'Host: a, b\r\n'],
    ['user information', 'Host: u@a\r\n'],
    ['a path', 'Host: a/b\r\n'],
    ['a port that is none', 'Host: a:99999\r\n'],
  ])('§7.2 refuses a request with %s', async (_, host) => {
    await expectRefused(requestRaw(hop.port, `GET /page HTTP/1.1\r\n${host}x-refused: 1\r\n\r\n`), 400)
  })

  it('§7.2 refuses a target whose authority is not the Host (RFC 9112 §3.2.2)', async () => {
    await expectRefused(send('GET http://elsewhere.test/page', ['x-refused: 1']), 400)
    expect((await send('GET http://orders.test/page')).status).toBe(200)
    expect((await hop.upstream.request()).target).toBe('/page')
  })
})

describe('§7.6.1 Connection: requests', () => {
  it.each([
    ['Keep-Alive', 'timeout=5'],
    ['Proxy-Connection', 'keep-alive'],
    ['Proxy-Authorization', 'Basic YTpi'],
    ['Proxy-Authenticate', 'Basic'],
    ['Proxy-Authentication-Info', 'a=b'],
    ['TE', 'trailers'],
    ['Trailer', 'X-Late'],
    ['Upgrade', 'h2c'],
    ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
  ])('§7.6.1 removes %s, nominated or not', async (name, value) => {
    for (const connection of ['close', name]) {
      hop.upstream.clear()
      const received = await forward(`${name}: ${value}`, `Connection: ${connection}`, 'X-Kept: 1')
      expect([received.headerAll(name), received.header('x-kept')]).toEqual([[], '1'])
    }
  })

  it("§7.6.1 forwards no Connection of the caller's", async () => {
    const received = await forward('Connection: close, X-Option')
    expect(received.headerAll('connection')).toEqual([])
  })

  it('§7.6.1 removes every nominated field, its name in any case', async () => {
    const received = await forward(
      'X-One: 1',
      'x-two: 2',
      'X-TWO: 3',
      'Cookie: a=b',
      'X-Kept: 1',
      'Connection: x-ONE,X-Two ,\tcookie',
    )
    expect(['x-one', 'x-two', 'cookie'].flatMap(name => received.headerAll(name))).toEqual([])
    expect(received.header('x-kept')).toBe('1')
  })

  it('§7.6.1 reads several Connection lines as one list', async () => {
    const received = await forward(
      'Connection: close',
      'X-One: 1',
      'Connection: X-One',
      'X-Two: 2',
      'connection: , x-two',
    )
    expect([received.headerAll('x-one'), received.headerAll('x-two')]).toEqual([[], []])
  })

  it.each(['Via', 'Forwarded', 'X-Forwarded-For', 'X-Request-Id', 'traceparent'])(
    '§7.6.1 removes a nominated %s before it sets its own, which arrives',
    async name => {
      const received = await forward(`${name}: from-the-caller`, `Connection: ${name}`)
      expect(received.headerAll(name)).toHaveLength(1)
      expect(received.header(name)).not.toContain('from-the-caller')
    },
  )

  it.each(['Authorization', 'Host', 'Content-Length', 'Transfer-Encoding'])(
    '§7.6.1 refuses a Connection that names %s, which is for all recipients',
    async name => {
      await expectRefused(send('GET /page', ['x-refused: 1', `Connection: close, ${name}`]), 400)
    },
  )

  it('§7.6.1 sends the issued token whatever Connection says of the presented one', async () => {
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    const fields = [`Authorization: Bearer ${token}`, 'Connection: keep-alive, X-Authorization']
    expect((await send('GET /orders', fields)).status).toBe(200)
    expect((await hop.upstream.request()).header('authorization')).toMatch(/^Bearer ey/)
  })
})

describe('§7.6.1 Connection: responses', () => {
  it.each([
    ['Proxy-Connection', 'keep-alive'],
    ['Proxy-Authenticate', 'Basic realm="x"'],
    ['Proxy-Authorization', 'Basic YTpi'],
    ['TE', 'trailers'],
    ['Trailer', 'X-Late'],
    ['Upgrade', 'h2c'],
  ])('§7.6.1 removes %s', async (name, value) => {
    const answer = await relay(`${name}: ${value}`, 'X-Kept: 1')
    expect([answer.status, answer.header(name), answer.header('x-kept')]).toEqual([200, undefined, '1'])
  })

  it("§7.6.1 relays neither Connection nor Keep-Alive of the upstream's: the hop sets its own", async () => {
    const answer = await relay('Connection: close', 'Keep-Alive: timeout=987')
    expect(answer.headers.filter(([name]) => /^connection$/i.test(name))).toEqual([
      ['Connection', 'keep-alive'],
    ])
    expect(answer.header('keep-alive')).toBeUndefined()
  })

  it('§7.6.1 removes every nominated field, of several Connection lines and in any case', async () => {
    const answer = await relay(
      'Connection: X-One, close',
      'x-one: 1',
      'connection: x-TWO',
      'X-Two: 2',
      'X-Kept: 1',
    )
    expect(['x-one', 'x-two', 'x-kept'].map(answer.header)).toEqual([undefined, undefined, '1'])
  })

  it('§7.6.1 keeps the length of a response whose Connection names it', async () => {
    const answer = await relay('Connection: Content-Length')
    expect([answer.header('content-length'), answer.text]).toEqual(['2', 'ok'])
  })

  it('§7.6.1 removes them from the answer of an upstream that refuses an upgrade', async () => {
    const fields = ['Connection: X-One', 'X-One: 1', 'Proxy-Authenticate: Basic', 'Content-Length: 2']
    hop.upstream.answerWith(`HTTP/1.1 403 Forbidden\r\n${lines(...fields)}\r\nno`)
    const answer = await send('GET /live', ['Connection: Upgrade', 'Upgrade: websocket'])
    expect(answer.status).toBe(403)
    expect([answer.header('x-one'), answer.header('proxy-authenticate')]).toEqual([undefined, undefined])
  })
})

describe('§7.6.2 Max-Forwards', () => {
  it('§7.6.2 ignores it for other methods than TRACE and OPTIONS', async () => {
    expect((await forward('Max-Forwards: 0')).target).toBe('/page')
  })

  it.each(['0', '000'])('§7.6.2 answers an OPTIONS with Max-Forwards: %s itself', async value => {
    const before = hop.lines.length
    const answer = await expectRefused(
      send('OPTIONS /page', [`Max-Forwards: ${value}`, 'X-Request-Id: x-refused']),
      204,
    )
    expect([answer.header('allow'), answer.header('content-length'), answer.text]).toEqual([
      'GET, HEAD, OPTIONS, POST',
      undefined,
      '',
    ])
    expect(await hop.event(before)).toMatchObject({
      type: 'io.hopgate.hop.answered.v1',
      refusal: 'request.max_forwards',
      status: 204,
    })
  })

  it('§7.6.2 answers it on a protected route without asking who it is, and exchanges nothing', async () => {
    const exchanges = hop.tokenLines.length
    const answer = await expectRefused(send('OPTIONS /orders', ['Max-Forwards: 0']), 204)
    expect(answer.header('allow')).toContain('OPTIONS')
    expect(hop.tokenLines).toHaveLength(exchanges)
  })

  it.each([
    ['1', '0'],
    ['70', '69'],
    ['007', '6'],
    [`${2 ** 31}`, `${2 ** 31 - 2}`],
    ['9'.repeat(400), `${2 ** 31 - 2}`],
  ])('§7.6.2 counts the Max-Forwards of an OPTIONS down from %s to %s', async (value, expected) => {
    expect((await send('OPTIONS /page', [`Max-Forwards: ${value}`])).status).toBe(200)
    expect((await hop.upstream.request()).headerAll('max-forwards')).toEqual([expected])
  })

  it('§7.6.2 sends none with an OPTIONS that came without', async () => {
    await send('OPTIONS /page')
    expect((await hop.upstream.request()).headerAll('max-forwards')).toEqual([])
  })

  it.each([['-1'], ['1.0'], ['x'], [''], ['0, 5'], ['5', '0']])(
    '§7.6.2 refuses an OPTIONS whose Max-Forwards is no number: %s',
    async (...values) => {
      const fields = values.map(value => `Max-Forwards: ${value}`)
      await expectRefused(send('OPTIONS /page', ['x-refused: 1', ...fields]), 400)
    },
  )

  it('§7.6.2 knows no other path or method for it: 404 and 405 come from this hop as well', async () => {
    await expectRefused(send('OPTIONS /elsewhere', ['Max-Forwards: 0']), 404)
    await expectRefused(send('PUT /page', ['Max-Forwards: 0']), 405)
  })
})

describe('§7.6.3 Via', () => {
  it('§7.6.3 says the version of the protocol received, and who received it', async () => {
    expect((await forward()).headerAll('via')).toEqual(['1.1 hopgate-orders'])
    hop.upstream.clear()
    await requestRaw(hop.port, 'GET /page HTTP/1.0\r\nHost: orders.test\r\n\r\n')
    expect((await hop.upstream.request()).headerAll('via')).toEqual(['1.0 hopgate-orders'])
  })

  it('§7.6.3 is appended to what came, in order', async () => {
    const received = await forward('Via: 1.0 fred, 1.1 p.example.net (comment)', 'Via: HTTP/2 edge')
    expect(received.headerAll('via').join(', ')).toBe(
      '1.0 fred, 1.1 p.example.net (comment), HTTP/2 edge, 1.1 hopgate-orders',
    )
  })

  it('§7.6.3 shows a loop: what has been here before is refused', async () => {
    await expectRefused(send('GET /page', ['x-refused: 1', 'Via: 1.1 a, 1.1 hopgate-orders, 1.1 b']), 508)
  })

  it("§7.6.3 of a response is the upstream's own affair and stays", async () => {
    expect((await relay('Via: 1.1 behind')).header('via')).toBe('1.1 behind')
  })
})

describe('§7.8 Upgrade', () => {
  const websocket = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ]

  it('§7.8 takes websocket on a route that has it', async () => {
    hop.upstream.answerWith(handshakeAnswer)
    const answer = await send('GET /live', [...websocket, 'Sec-WebSocket-Version: 13'])
    expect([answer.status, answer.header('upgrade')]).toEqual([101, 'websocket'])
    const received = await hop.upstream.request()
    expect([received.headerAll('upgrade'), received.headerAll('connection')]).toEqual([
      ['websocket'],
      ['Upgrade'],
    ])
  })

  it('§7.8 refuses websocket on a route that has none, and forwards nothing', async () => {
    await expectRefused(send('GET /page', [...websocket, 'x-refused: 1']), 400)
  })

  it.each(['h2c', 'TLS/1.0', 'h2c, websocket', 'IRC/6.9'])(
    '§7.8 ignores %s, and does not pass it on',
    async protocol => {
      const answer = await send('GET /live', ['Connection: Upgrade', `Upgrade: ${protocol}`])
      expect(answer.status).toBe(200)
      expect((await hop.upstream.request()).headerAll('upgrade')).toEqual([])
    },
  )

  it('§7.8 ignores an Upgrade that Connection does not nominate', async () => {
    expect((await send('GET /live', ['Upgrade: websocket'])).status).toBe(200)
    expect((await hop.upstream.request()).headerAll('upgrade')).toEqual([])
  })

  it('§7.8 switches only when the upstream does, and never when nobody asked', async () => {
    hop.upstream.answerWith(response(403, 'no'))
    expect((await send('GET /live', [...websocket, 'Sec-WebSocket-Version: 13'])).status).toBe(403)
    hop.upstream.answerWith(handshakeAnswer)
    expect((await send('GET /page')).status).toBe(502)
  })

  it('§7.6.1 removes hop-by-hop and nominated fields from a 101', async () => {
    const fields = 'Connection: X-One\r\nX-One: 1\r\nProxy-Authenticate: Basic\r\n'
    hop.upstream.answerWith(handshakeAnswer.replace('Connection', `${fields}Connection`))
    const answer = await send('GET /live', websocket)
    expect(answer.status).toBe(101)
    expect([answer.header('x-one'), answer.header('proxy-authenticate')]).toEqual([undefined, undefined])
  })

  it('§7.8 relays no switch to a protocol that nobody asked for', async () => {
    hop.upstream.answerWith(handshakeAnswer.replace('websocket', 'other'))
    expect((await send('GET /live', websocket)).status).toBe(502)
  })

  it('§7.8 ignores an Upgrade in an HTTP/1.0 request', async () => {
    await requestRaw(hop.port, `GET /live HTTP/1.0\r\nHost: orders.test\r\n${lines(...websocket)}\r\n`)
    expect((await hop.upstream.request()).headerAll('upgrade')).toEqual([])
  })
})

describe('§8.6 Content-Length', () => {
  it.each(['', 'x', 'x'.repeat(70_000)])('§8.6 passes a sized body on with its length', async body => {
    hop.upstream.answerWith(response(200, body))
    const answer = await send('POST /page', [`Content-Length: ${body.length}`], body)
    const received = await hop.upstream.request()
    expect([received.headerAll('content-length'), received.body.toString()]).toEqual([
      [`${body.length}`],
      body,
    ])
    expect([answer.header('content-length'), answer.text]).toEqual([`${body.length}`, body])
  })

  it('§8.6 keeps the length that a HEAD or 304 response only tells of', async () => {
    hop.upstream.answerWith('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n')
    const raw = 'HEAD /page HTTP/1.1\r\nHost: orders.test\r\n\r\n'
    expect((await requestRaw(hop.port, raw, { head: true })).header('content-length')).toBe('1234')
    hop.upstream.answerWith('HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n')
    expect((await send('GET /page')).header('content-length')).toBe('1234')
  })

  it.each(['1, 1', '+1', '0x1', '-1', 'x', '', '99999999999999999999'])(
    '§8.6 refuses the length "%s"',
    async value => {
      await expectRefused(send('POST /page', ['x-refused: 1', `Content-Length: ${value}`], 'x'), 400)
    },
  )

  it('§8.6 refuses two lengths, and one beside Transfer-Encoding', async () => {
    await expectRefused(send('POST /page', ['Content-Length: 1', 'Content-Length: 1'], 'x'), 400)
    await expectRefused(
      send('POST /page', ['Content-Length: 1', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
      400,
    )
  })
})

describe('§9.3.8 TRACE', () => {
  it('§9.3.8 is never forwarded, and echoes nothing', async () => {
    for (const fields of [[], ['Max-Forwards: 0'], ['Max-Forwards: 5']]) {
      const answer = await expectRefused(send('TRACE /page', [...fields, 'Cookie: session=x-refused']), 501)
      expect(answer.raw.toString()).not.toContain('x-refused')
    }
  })
})

describe('§10.1.1 Expect', () => {
  const ask = async (target: string, value: string, ...fields: string[]): Promise<RawAnswer> => {
    const head = `POST ${target} HTTP/1.1\r\nHost: orders.test\r\nExpect: ${value}\r\nContent-Length: 2\r\n`
    const socket = await openRaw(hop.port)
    socket.write(`${head}${lines(...fields)}\r\n`)
    return readAnswer(socket, { responses: 1 })
  }

  it.each(['100-continue', '100-Continue'])(
    '§10.1.1 answers %s with 100, and forwards no Expect',
    async value => {
      const socket = await openRaw(hop.port)
      socket.write(
        `POST /page HTTP/1.1\r\nHost: orders.test\r\nExpect: ${value}\r\nContent-Length: 2\r\n\r\n`,
      )
      expect(String((await once(socket, 'data'))[0])).toBe('HTTP/1.1 100 Continue\r\n\r\n')
      const answered = readAnswer(socket, { responses: 1 })
      socket.write('hi')
      expect((await answered).responses[0]?.status).toBe(200)
      const received = await hop.upstream.request()
      expect([received.headerAll('expect'), received.body.toString()]).toEqual([[], 'hi'])
    },
  )

  it('§10.1.1 gives a final answer instead of 100 to what is refused', async () => {
    const { interim, responses } = await ask('/orders', '100-continue', 'x-refused: 1')
    expect([interim, responses.map(({ status }) => status)]).toEqual([[], [401]])
    expect(hop.upstream.requests).toEqual([])
  })

  it.each(['200-ok', '100-continue, 200-ok', ''])(
    '§10.1.1 answers the expectation "%s" with 417',
    async value => {
      const { interim, responses } = await ask('/page', value)
      expect([interim, responses.map(({ status }) => status)]).toEqual([[], [417]])
      expect(hop.upstream.requests).toEqual([])
    },
  )

  it('§10.1.1 ignores the expectation of an HTTP/1.0 request (§15.2: it knows no interim responses)', async () => {
    const head =
      'POST /page HTTP/1.0\r\nHost: orders.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi'
    const { interim } = await sendRaw(hop.port, head, { responses: 1 })
    expect(interim).toEqual([])
  })
})
