import { once } from 'node:events'
import { constants } from 'node:http2'
import { afterEach, describe, expect, it } from 'vitest'
import { connectHttp2Client, type Http2Client, readResponse } from '../support/http2-client.ts'
import { type HopOptions, type RunningHop, startHop, usualRoutes } from '../support/start-hop.ts'
import { until } from '../support/until.ts'
import { response, startUpstream } from '../support/upstream.ts'

const running: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close()
})

async function start(options: HopOptions = {}): Promise<RunningHop & { readonly client: Http2Client }> {
  const hop = await startHop(options)
  running.push(hop)
  const client = await connectHttp2Client(hop.url)
  running.push({ close: async () => client.session.destroy() })
  return { ...hop, client }
}

const forwarded = 'io.hopgate.hop.forwarded.v1'
const anyMethod = "\n  - { path: '/public/**', public: true, methods: [GET, HEAD, POST, PUT] }"

describe('a request over HTTP/2', () => {
  it('is exchanged and forwarded as HTTP/1.1, and the answer comes back', async () => {
    const { client, upstream, issuer, event } = await start()
    upstream.answerWith(response(200, 'one order', { 'Content-Type': 'text/plain', 'X-Version': '7' }))
    const token = await issuer.sign({ scope: 'orders:read' })
    const answer = await client.request({
      ':path': '/orders/1?full=1',
      authorization: `Bearer ${token}`,
      'accept-language': 'de',
    })
    expect(answer).toMatchObject({ status: 200, text: 'one order', rstCode: 0 })
    expect(answer.headers).toMatchObject({ 'content-type': 'text/plain', 'x-version': '7' })
    const request = await upstream.request()
    expect(request).toMatchObject({ method: 'GET', target: '/orders/1?full=1' })
    expect(request.headerAll('host')).toEqual(['orders.test'])
    expect(request.header('accept-language')).toBe('de')
    expect(request.header('via')).toBe('2.0 hopgate-orders')
    expect(request.headers.map(([name]) => name).filter(name => name.startsWith(':'))).toEqual([])
    expect(request.raw.includes(token)).toBe(false)
    expect(await event()).toMatchObject({
      type: forwarded,
      status: 200,
      method: 'GET',
      path: '/orders/1',
    })
  })

  it('may have any number of others beside it', async () => {
    const { client, upstream, lines } = await start()
    upstream.answerWith(async ({ target }) => {
      await new Promise(resolve => setTimeout(resolve, Math.random() * 30))
      return response(200, `answer to ${target}`)
    })
    const paths = Array.from({ length: 100 }, (_, index) => `/public/${index}`)
    const answers = await Promise.all(paths.map(path => client.request({ ':path': path })))
    expect(answers.map(({ text }) => text)).toEqual(paths.map(path => `answer to ${path}`))
    await until(() => lines.length === 100, '100 events')
  })

  it('carries its cookies as one field', async () => {
    const { client, upstream } = await start()
    await client.request({ ':path': '/public/1', cookie: ['a=1', 'b=2; c=3', 'd=4'] })
    expect((await upstream.request()).headerAll('cookie')).toEqual(['a=1; b=2; c=3; d=4'])
  })

  it('may have large fields', async () => {
    const { client, upstream } = await start()
    const large = 'x'.repeat(6_000)
    upstream.answerWith(response(200, '', { 'X-Large': large, 'X-Other': large, 'X-Third': large }))
    const answer = await client.request({ ':path': '/public/1', 'x-large': large, 'x-other': large })
    expect(answer.headers).toMatchObject({ 'x-large': large, 'x-third': large })
    expect((await upstream.request()).header('x-other')).toBe(large)
  })

  it('with a header section over the limit gets 431, and the next one goes on', async () => {
    const { client, event } = await start()
    const tooLarge = await client.request({
      ':path': '/public/1',
      'x-a': 'x'.repeat(9_000),
      'x-b': 'x'.repeat(9_000),
    })
    expect(tooLarge.status).toBe(431)
    expect(await event()).toMatchObject({ refusal: 'request.header_too_large' })
    const tooMany = Object.fromEntries(Array.from({ length: 105 }, (_, index) => [`x-${index}`, 'x']))
    expect((await client.request({ ':path': '/public/1', ...tooMany })).status).toBe(431)
    expect((await client.request({ ':path': '/public/1' })).status).toBe(200)
  })
})

describe('an answer over HTTP/2', () => {
  it('to a HEAD has the length and no body', async () => {
    const { client, upstream } = await start()
    upstream.answerWith('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n')
    const answer = await client.request({ ':path': '/public/1', ':method': 'HEAD' })
    expect(answer).toMatchObject({ status: 200, text: '', rstCode: 0 })
    expect(answer.headers['content-length']).toBe('7')
  })

  it.each([204, 304])('with status %s has no body', async status => {
    const { client, upstream } = await start()
    upstream.answerWith(`HTTP/1.1 ${status} Status\r\nETag: "7"\r\n\r\n`)
    expect(await client.request({ ':path': '/public/1' })).toMatchObject({ status, text: '', rstCode: 0 })
  })

  it('with status 205 has neither the body that came nor its length', async () => {
    const { client, upstream } = await start()
    upstream.answerWith('HTTP/1.1 205 Reset\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello')
    const answer = await client.request({ ':path': '/public/1' })
    expect(answer).toMatchObject({ status: 205, text: '', rstCode: 0 })
    expect([answer.headers['content-length'], answer.headers['x-a']]).toEqual([undefined, '1'])
  })

  it('is not lost to a 103 that speaks of a length (RFC 9110 §8.6)', async () => {
    const { client, upstream } = await start()
    upstream.answerWith(
      `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n${response(200, 'ok')}`,
    )
    const answer = await client.request({ ':path': '/public/1' })
    expect(answer).toMatchObject({ status: 200, text: 'ok', rstCode: 0 })
    expect(answer.interim).toMatchObject([{ ':status': 103, link: '</a>' }])
    expect(answer.interim[0]).not.toHaveProperty('content-length')
  })

  it('has nothing of the connection behind', async () => {
    const { client, upstream } = await start()
    upstream.answerWith(
      'HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok',
    )
    const { headers, text } = await client.request({ ':path': '/public/1' })
    expect(text).toBe('ok')
    expect(Object.keys(headers).sort()).toEqual([':status', 'content-length', 'date', 'x-end'])
  })

  it('keeps repeated fields', async () => {
    const { client, upstream } = await start()
    upstream.answerWith(
      'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n',
    )
    const { headers } = await client.request({ ':path': '/public/1' })
    expect(headers).toMatchObject({ 'set-cookie': ['a=1', 'b=2'], 'x-a': '1, 2' })
  })

  it('that comes in pieces leaves in pieces', async () => {
    const { client, upstream } = await start()
    upstream.answerWith((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n')
      socket.write('5\r\nfirst\r\n')
      return undefined
    })
    const stream = client.open({ ':path': '/public/1' })
    stream.end()
    const [first] = await once(stream, 'data')
    expect(String(first)).toBe('first')
    stream.close(constants.NGHTTP2_CANCEL)
  })

  it.each([
    ['small', 'ok'],
    ['of many pieces', 'x'.repeat(300_000)],
    ['empty', ''],
  ])('has the trailers of one that is %s', async (_name, body) => {
    const { client, upstream } = await start()
    const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`
    upstream.answerWith(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${chunk}0\r\nX-Sum: 7\r\nX-SUM: 8\r\nConnection: x\r\n\r\n`,
    )
    const answer = await client.request({ ':path': '/public/1' })
    expect(answer).toMatchObject({ status: 200, text: body, rstCode: 0 })
    expect(Object.entries(answer.trailers)).toEqual([['x-sum', '7, 8']])
  })

  it('comes after the interim response 103', async () => {
    const { client, upstream } = await start()
    upstream.answerWith(
      `HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n${response(200, 'ok')}`,
    )
    const answer = await client.request({ ':path': '/public/1' })
    expect(answer).toMatchObject({ status: 200, text: 'ok' })
    expect(answer.interim).toMatchObject([{ ':status': 103, link: '</a.css>; rel=preload' }])
  })

  it('that breaks off is reset, not ended', async () => {
    const { client, upstream, event } = await start()
    upstream.answerWith((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
      setTimeout(() => socket.destroy(), 50)
      return undefined
    })
    const answer = await client.request({ ':path': '/public/1' })
    expect(answer).toMatchObject({ status: 200, text: 'half', rstCode: constants.NGHTTP2_INTERNAL_ERROR })
    expect(await event()).toMatchObject({ type: 'io.hopgate.hop.failed.v1' })
    upstream.answerWith(response(200, 'ok'))
    expect((await client.request({ ':path': '/public/1' })).text).toBe('ok')
  })
})

describe('a body over HTTP/2', () => {
  it('goes up with its length', async () => {
    const { client, upstream } = await start({ routes: anyMethod })
    const headers = { ':path': '/public/1', ':method': 'POST', 'content-length': 5 }
    expect((await client.request(headers, 'hello')).status).toBe(200)
    const request = await upstream.request()
    expect(request.body.toString()).toBe('hello')
    expect(request.headerAll('content-length')).toEqual(['5'])
    expect(request.headerAll('transfer-encoding')).toEqual([])
  })

  it('goes up in chunks when its length is not told, with its trailers', async () => {
    const { client, upstream } = await start({ routes: anyMethod })
    const stream = client.session.request(
      { ':authority': 'orders.test', ':path': '/public/1', ':method': 'POST' },
      { waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7', authorization: 'Bearer hidden' }))
    const answer = readResponse(stream)
    stream.write('hel')
    await new Promise(resolve => setTimeout(resolve, 20))
    stream.end('lo')
    expect((await answer).status).toBe(200)
    const request = await upstream.request()
    expect(request.body.toString()).toBe('hello')
    expect(request.headerAll('transfer-encoding')).toEqual(['chunked'])
    expect(request.raw.toString()).toMatch(/0\r\nx-sum: 7\r\n\r\n$/)
  })

  it('waits for its 100, which an upstream need not give', async () => {
    const { client, upstream } = await start({ routes: anyMethod })
    const stream = client.open({ ':path': '/public/1', ':method': 'POST', expect: '100-continue' })
    const answer = readResponse(stream)
    await once(stream, 'continue')
    stream.end('hello')
    expect((await answer).status).toBe(200)
    expect((await upstream.request()).body.toString()).toBe('hello')
  })

  it('of 3 MB passes whole in both directions', async () => {
    const { client, upstream } = await start({ routes: anyMethod })
    const size = 3_000_000
    const piece = Buffer.alloc(50_000, 'x')
    let received = 0
    upstream.answerWith((request, socket) => {
      received = request.body.length
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      const write = (left: number): void => {
        if (left === 0) return
        if (socket.write(piece)) setImmediate(write, left - piece.length)
        else socket.once('drain', () => write(left - piece.length))
      }
      write(size)
      return undefined
    })
    const answer = await client.request(
      { ':path': '/public/1', ':method': 'PUT', 'content-length': size },
      Buffer.alloc(size, 'y'),
    )
    expect(received).toBe(size)
    expect(answer.body.length).toBe(size)
  })

  it('that nobody reads holds upstream back', async () => {
    const { client, upstream } = await start()
    let written = 0
    upstream.answerWith((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
      const write = (): void => {
        if (socket.destroyed || written > 200_000_000) return
        written += 65_536
        if (socket.write(chunk)) setImmediate(write)
        else socket.once('drain', write)
      }
      write()
      return undefined
    })
    const stream = client.open({ ':path': '/public/1' })
    stream.end()
    await once(stream, 'response')
    let before = -1
    await until(async () => {
      const isStuck = written === before
      before = written
      await new Promise(resolve => setTimeout(resolve, 200))
      return isStuck
    }, 'backpressure at the upstream')
    expect(written).toBeLessThan(50_000_000)
    stream.close(constants.NGHTTP2_CANCEL)
    await until(() => upstream.connections.every(({ isOpen }) => !isOpen), 'the end of the call')
  })

  it('that an upstream does not want is not waited for: the answer comes, and the stream is left', async () => {
    const upstream = await startUpstream({ answerAtHead: true, answer: response(413, 'too much') })
    running.push(upstream)
    const { client, event } = await start({ routes: anyMethod, upstream })
    const stream = client.open({ ':path': '/public/1', ':method': 'POST' })
    const answer = readResponse(stream)
    stream.write('some')
    expect(await answer).toMatchObject({ status: 413, text: 'too much', rstCode: constants.NGHTTP2_NO_ERROR })
    expect(await event()).toMatchObject({ status: 413 })
  })
})

describe('a caller that goes away', () => {
  it('from its stream ends the call to upstream, and no other', async () => {
    const { client, upstream, event } = await start()
    upstream.enqueue({ action: 'hang' })
    const stream = client.open({ ':path': '/public/hang' })
    stream.end()
    await upstream.request()
    const other = client.request({ ':path': '/public/2' })
    stream.close(constants.NGHTTP2_CANCEL)
    expect((await other).status).toBe(200)
    await until(() => upstream.connections[0]?.isOpen === false, 'the end of the call')
    const events = await Promise.all([event(0), event(1)])
    expect(events.map(({ refusal }) => refusal).sort()).toEqual(['client.closed', undefined])
  })

  it('from its connection ends all of its calls, with one event each', async () => {
    const { client, upstream, lines, event } = await start()
    upstream.answerWith({ action: 'hang' })
    for (const id of [1, 2, 3]) {
      const stream = client.open({ ':path': `/public/${id}` })
      stream.on('error', () => {})
      stream.end()
    }
    await upstream.request(2)
    client.session.destroy()
    await event(2)
    await until(() => upstream.connections.every(({ isOpen }) => !isOpen), 'the end of the calls')
    expect(lines.map(line => JSON.parse(line).data.refusal)).toEqual(Array(3).fill('client.closed'))
  })
})

describe('draining', () => {
  it('says GOAWAY, lets what is under way end, and closes idle connections', async () => {
    const hop = await start()
    const idle = await connectHttp2Client(hop.url)
    let answerNow = (): void => {}
    const answered = new Promise<void>(resolve => {
      answerNow = resolve
    })
    hop.upstream.answerWith(async () => {
      await answered
      return response(200, 'late')
    })
    const answers = [1, 2, 3].map(id => hop.client.request({ ':path': `/public/${id}` }))
    await hop.upstream.request(2)
    const told = Promise.all([once(hop.client.session, 'goaway'), once(idle.session, 'goaway')])
    const closed = hop.sidecar.close()
    const codes = (await told).map(([code]) => code)
    expect(codes).toEqual([constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_NO_ERROR])
    answerNow()
    expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(['late', 'late', 'late'])
    await closed
    expect(hop.lines).toHaveLength(3)
    expect(hop.lines.map(line => JSON.parse(line).type)).toEqual(Array(3).fill(forwarded))
  })

  it('breaks off what is not done by the end of its time', async () => {
    const hop = await start({ more: 'timeouts: { drain: 100ms }' })
    hop.upstream.answerWith({ action: 'hang' })
    const answer = hop.client.request({ ':path': '/public/1' })
    await hop.upstream.request()
    await hop.sidecar.close()
    expect((await answer).status).toBe(0)
    expect(await hop.event()).toMatchObject({ refusal: 'client.closed' })
  })
})

describe('the limits of a connection', () => {
  it('end it after its number of requests, of which none is lost', async () => {
    const { url, client } = await start({ more: 'limits: { requests_per_connection: 5 }' })
    const told = once(client.session, 'goaway')
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, index) => client.request({ ':path': `/public/${index}` })),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200))
    const [code, lastStreamId] = await told
    expect({ code, lastStreamId }).toEqual({ code: constants.NGHTTP2_NO_ERROR, lastStreamId: 9 })
    const next = await connectHttp2Client(url)
    expect((await next.request({ ':path': '/public/6' })).status).toBe(200)
    next.session.destroy()
  })

  it('end it when it is idle for too long', async () => {
    const { client } = await start({ more: 'timeouts: { keep_alive: 200ms }' })
    expect((await client.request({ ':path': '/public/1' })).status).toBe(200)
    const [code] = await once(client.session, 'goaway')
    expect(code).toBe(constants.NGHTTP2_NO_ERROR)
    await until(() => client.session.destroyed, 'the end of the connection')
  })

  it('are told in its settings', async () => {
    const { client } = await start({ more: 'limits: { streams_per_connection: 7 }', routes: usualRoutes })
    await client.request({ ':path': '/public/1' })
    expect(client.session.remoteSettings).toMatchObject({
      maxConcurrentStreams: 7,
      initialWindowSize: 262_144,
      enableConnectProtocol: false,
    })
  })
})
