import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pause } from '../support/pause.ts'
import { openRaw, readAnswer, requestRaw, sendRaw } from '../support/raw-client.ts'
import { type HopOptions, type RunningHop, startHop } from '../support/start-hop.ts'
import { response } from '../support/upstream.ts'

const running: RunningHop[] = []

/** An uncaught exception in the server's listeners would end the process; here it is kept for the assertion. */
const uncaught: unknown[] = []
const keep = (error: unknown): void => {
  uncaught.push(error)
}

beforeEach(() => {
  uncaught.length = 0
  process.on('uncaughtException', keep)
})

afterEach(async () => {
  await Promise.all(running.splice(0).map(hop => hop.close()))
  process.off('uncaughtException', keep)
  expect(uncaught).toEqual([])
})

async function start(options: HopOptions = {}): Promise<RunningHop> {
  const hop = await startHop(options)
  running.push(hop)
  return hop
}

const get = (path: string, ...fields: string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`
const connectTo = 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'
const websocket = get(
  '/public/live',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
)

/** Resolves when the connection is gone; the test's time limit is for when it stays. */
function closed(socket: Socket): Promise<void> {
  socket.resume()
  return new Promise(resolve => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
}

describe('behind a request that is not answered yet', () => {
  it.each([
    ['CONNECT', connectTo],
    ['an upgrade', websocket],
  ])('%s closes the connection, and each has one event', async (_name, second) => {
    const hop = await start()
    hop.upstream.answerWith({ action: 'hang' })
    await sendRaw(hop.port, get('/public/1') + second)
    const events = await Promise.all([hop.event(0), hop.event(1)])
    expect(events.map(event => event.refusal).sort()).toEqual(['client.closed', 'request.malformed'])
    expect(hop.lines).toHaveLength(2)
    hop.upstream.answerWith(response(200, 'ok'))
    expect((await requestRaw(hop.port, get('/public/2'))).status).toBe(200)
  })

  it('CONNECT in the same packet as a refused request does not end the process', async () => {
    const hop = await start()
    const answer = await sendRaw(hop.port, get('/nope') + connectTo)
    expect(answer.closed).toBe(true)
    const events = await Promise.all([hop.event(0), hop.event(1)])
    expect(events.map(event => event.refusal)).toEqual(['route.not_found', 'request.malformed'])
  })

  it('unreadable bytes close the connection without an answer, and have an event', async () => {
    const hop = await start()
    hop.upstream.answerWith({ action: 'hang' })
    const answer = await sendRaw(hop.port, `${get('/public/1')}nonsense\r\n\r\n`)
    expect(answer.raw.toString()).toBe('')
    expect(answer.closed).toBe(true)
    const events = await Promise.all([hop.event(0), hop.event(1)])
    expect(events.map(event => event.refusal).sort()).toEqual(['client.closed', 'request.malformed'])
  })

  it('CONNECT also ends a request that waits for its turn, whose answer would never be read', async () => {
    const hop = await start()
    const big = response(200, 'x'.repeat(4_000_000))
    hop.upstream.answerWith(request => (request.target === '/public/1' ? { action: 'hang' } : big))
    const socket = await openRaw(hop.port)
    socket.write(get('/public/1') + get('/public/2'))
    await hop.upstream.request(1)
    await pause(50)
    socket.write(connectTo)
    const events = await Promise.all([hop.event(0), hop.event(1), hop.event(2)])
    expect(events.map(event => event.refusal).filter(code => code !== undefined)).toEqual([
      'request.malformed',
      'client.closed',
    ])
    expect(events).toContainEqual(
      expect.objectContaining({ delivery: expect.objectContaining({ complete: false }) }),
    )
  })
})

describe('an upgrade with a body', () => {
  it.each([
    ['that is still to come', 'Content-Length: 31\r\n\r\nGET /public/2 HTTP/1.1\r\n'],
    ['that has come', `Content-Length: 5\r\n\r\nhello${get('/public/2')}`],
    ['that is chunked and goes on behind', `Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`],
    ['that is no chunk', 'Transfer-Encoding: chunked\r\n\r\nnonsense\r\n'],
  ])('%s is refused, once, and nothing in it is a request', async (_name, rest) => {
    const hop = await start({ routes: `\n  - { path: '/public/**', public: true, websocket: true }` })
    const answer = await sendRaw(hop.port, websocket.slice(0, -2) + rest)
    expect(answer).toMatchObject({ closed: true, responses: [{ status: 400 }] })
    expect(answer.responses).toHaveLength(1)
    expect((await requestRaw(hop.port, get('/public/3'))).status).toBe(200)
    await hop.event(1)
    expect(hop.lines.map(line => JSON.parse(line).data.refusal)).toEqual(['request.malformed', undefined])
    expect(hop.upstream.requests.map(({ target }) => target)).toEqual(['/public/3'])
  })
})

describe('an upgrade to a protocol that nobody speaks here', () => {
  it('is ignored, and the connection ends: what came in the same packet behind it was not read', async () => {
    const hop = await start()
    const upgrade = get('/public/1', 'Connection: Upgrade', 'Upgrade: h2c')
    const answer = await sendRaw(hop.port, upgrade + get('/public/2'))
    expect(answer).toMatchObject({ closed: true, responses: [{ status: 200 }] })
    expect(answer.responses[0]?.header('connection')).toBe('close')
    expect(hop.lines).toHaveLength(1)
    const twin = await sendRaw(hop.port, get('/public/1') + get('/public/2'))
    expect(twin.responses).toMatchObject([{ status: 200 }, { status: 200 }])
  })
})

describe('unreadable bytes', () => {
  it('behind an answered request get 400, the connection ends, and there is one event', async () => {
    const hop = await start()
    const socket = await openRaw(hop.port)
    socket.write(get('/public/1'))
    await once(socket, 'data')
    await hop.event(0)
    const answer = readAnswer(socket)
    socket.write('nonsense\r\n\r\n')
    expect(await answer).toMatchObject({ closed: true, responses: [{ status: 400 }] })
    expect(await hop.event(1)).toMatchObject({ refusal: 'request.malformed', status: 400 })
    expect(hop.lines).toHaveLength(2)
  })

  it('in many pieces are answered and recorded once', async () => {
    const hop = await start()
    const socket = await openRaw(hop.port)
    socket.write('nonsense\r\n\r\n'.repeat(100_000))
    await closed(socket)
    await hop.event(0)
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(hop.lines).toHaveLength(1)
  })

  it('in a body belong to the request: no answer between the bytes of another, no second event', async () => {
    const hop = await start({ routes: "\n  - { path: '/public/**', public: true, methods: [POST] }" })
    const answer = await sendRaw(
      hop.port,
      'POST /public/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    )
    expect(answer.raw.toString()).toBe('')
    await hop.event(0)
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(hop.lines).toHaveLength(1)
  })
})

describe('a caller that keeps its half open', () => {
  it.each([
    ['CONNECT', connectTo],
    ['an upgrade', websocket],
  ])('is closed after %s is refused', async (_name, request) => {
    const hop = await start()
    const socket = await openRaw(hop.port)
    socket.allowHalfOpen = true
    socket.write(request)
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 (501|400) [\s\S]*connection: close/i)
    // A half-open end learns that the other one is gone when it goes on writing.
    const writing = setInterval(() => socket.write('x'), 10)
    await closed(socket)
    clearInterval(writing)
  })

  it('does not keep the sidecar from ending: an upgrade that upstream never answers ends with the grace', async () => {
    const routes = '\n  - { path: /public/live, public: true, websocket: true }'
    const hop = await start({ routes, more: 'timeouts: { drain: 200ms, upstream_headers: 1h }' })
    hop.upstream.answerWith({ action: 'hang' })
    const socket = await openRaw(hop.port)
    socket.write(websocket)
    await hop.upstream.request()
    await hop.sidecar.close()
    await closed(socket)
    expect(await hop.event()).toMatchObject({ refusal: 'client.closed' })
    expect(hop.lines).toHaveLength(1)
  }, 4_000)
})

describe('draining', () => {
  it('closes no connection on which a request has come that a late event loop has not read yet', async () => {
    const hop = await start()
    hop.upstream.enqueue({ action: 'hang' }, response(200, 'first'))
    const underWay = await openRaw(hop.port)
    underWay.write(get('/public/1'))
    await hop.upstream.request()
    const socket = await openRaw(hop.port)
    socket.write(get('/public/2'))
    await once(socket, 'data')
    const stopped = hop.sidecar.close()
    // It was looked at, and is known to be idle.
    await new Promise(resolve => setTimeout(resolve, 200))
    socket.write(get('/public/3'))
    const answer = readAnswer(socket)
    // Longer than the time after which a silent connection is closed.
    for (const start = performance.now(); performance.now() - start < 1_300; );
    expect((await answer).responses).toMatchObject([{ status: 200 }])
    underWay.destroy()
    await stopped
  })
})

describe('the idle limit of bodies', () => {
  const more = 'timeouts: { body_idle: 100ms, upstream_headers: 5s }'

  it('does not cut off an upstream that may take longer to answer', async () => {
    const hop = await start({ more })
    hop.upstream.answerWith(async () => {
      await new Promise(resolve => setTimeout(resolve, 400))
      return response(200, 'late')
    })
    expect((await requestRaw(hop.port, get('/public/1'))).text).toBe('late')
  })

  it('cuts off a caller whose body stands still', async () => {
    const hop = await start({ more, routes: "\n  - { path: '/public/**', public: true, methods: [POST] }" })
    const socket = await openRaw(hop.port)
    socket.write('POST /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx')
    await closed(socket)
    expect(await hop.event()).toMatchObject({ refusal: 'client.closed' })
  })
})

describe('an HTTP/1.0 caller', () => {
  it('gets no 100, although it asks for one', async () => {
    const hop = await start({ routes: "\n  - { path: '/public/**', public: true, methods: [POST] }" })
    const answer = await sendRaw(
      hop.port,
      'POST /public/1 HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx',
    )
    expect(answer.interim).toEqual([])
    expect(answer.responses[0]?.status).toBe(200)
  })

  it('gets no 103 either', async () => {
    const hop = await start()
    hop.upstream.answerWith(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${response(200, 'ok')}`)
    const old = await sendRaw(hop.port, get('/public/1').replace('HTTP/1.1', 'HTTP/1.0'))
    expect(old.interim).toEqual([])
    expect(old.responses[0]?.text).toBe('ok')
    const current = await sendRaw(hop.port, get('/public/1'))
    expect(current.interim.map(({ status }) => status)).toEqual([103])
  })
})
