import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createHttp1Client } from '../../../../../src/hop/forward/http1/http1-client.ts'
import type { UpstreamCall, UpstreamClient } from '../../../../../src/hop/forward/upstream-client.ts'
import { createFakeUpstream, type FakeUpstream, turns } from '../../../../support/fake-upstream.ts'
import { RecordedResponse, sendRecorded } from '../../../../support/recorded-response.ts'
import { aRequestBody } from '../../../../support/request-body.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
const headersTimeoutMs = 1_000
const bodyTimeoutMs = 2_000
const connectTimeoutMs = 500

let upstream: FakeUpstream
let client: UpstreamClient
const started: { readonly upstream: FakeUpstream; readonly client: UpstreamClient }[] = []

/** Sockets, streams and immediates are real; what waits for a time waits until a test says so. */
beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
  })
  start()
})

afterEach(async () => {
  let open = started.length
  for (const one of started) void one.client.close().then(() => open--)
  for (let turn = 0; open > 0 && turn < 100; turn++) {
    for (const one of started) for (const socket of one.upstream.sockets) socket.breaks()
    await turns(1)
  }
  started.length = 0
  expect([open, vi.getTimerCount()], 'what was left behind').toEqual([0, 0])
  vi.useRealTimers()
})

function start(maxConnections = 100): void {
  upstream = createFakeUpstream()
  const { connect } = upstream
  client = createHttp1Client({ connect, connectTimeoutMs, headersTimeoutMs, bodyTimeoutMs, maxConnections })
  started.push({ upstream, client })
}

/** Enough for a connection to be used again. */
const rest = (): Promise<void> => turns(3)

/** A request that was answered on a connection of its own, which is idle now. */
async function answerOne(answer = ok): Promise<void> {
  const { recorded } = sendRecorded(client)
  upstream.socket(-1).opens().sends(answer)
  expect(recorded.isEnded).toBe(true)
  await rest()
}

describe('a connection', () => {
  it('is used again when its response has ended', async () => {
    await answerOne()
    const { recorded } = sendRecorded(client, { target: '/next' })
    expect(upstream.sockets).toHaveLength(1)
    expect(upstream.socket(0).written).toMatch(/^GET \/ HTTP.*GET \/next HTTP/s)
    upstream.socket(0).sends(ok)
    expect(recorded.text).toBe('ok')
  })

  it('is used last in, first out', async () => {
    const all = [0, 1, 2].map(() => sendRecorded(client).recorded)
    for (const socket of upstream.sockets) {
      socket.opens().sends(ok)
      await rest()
    }
    expect(all.every(({ isEnded }) => isEnded)).toBe(true)
    sendRecorded(client, { target: '/next' })
    expect(upstream.sockets.map(({ written }) => written.includes('/next'))).toEqual([false, false, true])
  })

  it('is not used before the event loop has looked at all sockets once more', async () => {
    sendRecorded(client)
    upstream.socket(0).opens().sends(ok)
    for (let turn = 0; turn < 2; turn++) {
      sendRecorded(client, { target: '/next' })
      await turns(1)
    }
    expect(upstream.socket(0).written).not.toContain('/next')
    await rest()
    sendRecorded(client, { target: '/next' })
    expect(upstream.socket(0).written).toContain('/next')
  })

  it.each<[string, string]>([
    ['a response', poison],
    ['one byte', 'H'],
    ['an empty line', '\r\n'],
  ])('on which %s comes that nobody asked for is closed, whenever it comes', async (_, extra) => {
    for (const waitTurns of [0, 1, 2, 3]) {
      start()
      sendRecorded(client)
      upstream.socket(0).opens().sends(ok)
      await turns(waitTurns)
      upstream.socket(0).sends(extra)
      expect(upstream.socket(0).destroyed).toBe(true)
      const { recorded } = sendRecorded(client)
      upstream.socket(1).opens().sends(ok)
      expect(recorded.text).toBe('ok')
      await turns(1)
    }
  })

  it('gives nothing to a request that waits of what comes behind the response before', async () => {
    start(1)
    const first = sendRecorded(client).recorded
    const second = sendRecorded(client).recorded
    // As with TLS, where every record is a read of its own.
    upstream.socket(0).opens().sends(ok).sends(poison)
    expect([first.text, second.status]).toEqual(['ok', 0])
    await rest()
    upstream.socket(1).opens().sends(ok)
    expect(second.text).toBe('ok')
  })

  it.each<[string, string]>([
    ['says close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['is of HTTP/1.0', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok'],
    ['is longer than it says', `${ok}!`],
    ['is kept for too short a time', `HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n`],
    ['is kept for no time', `HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 0\r\n\r\n`],
    ['is a 204 with a body', 'HTTP/1.1 204 None\r\nContent-Length: 6\r\n\r\npoison'],
    ['is a 304 with a body', 'HTTP/1.1 304 Same\r\nContent-Length: 6\r\n\r\npoison'],
  ])('is not used again when its response %s', async (_, answer) => {
    await answerOne(answer)
    expect(upstream.socket(0).destroyed).toBe(true)
  })

  it('is not used again when a response to HEAD has a body', async () => {
    const { recorded } = sendRecorded(client, { method: 'HEAD' })
    upstream.socket(0).opens().sends(ok)
    expect([recorded.isEnded, recorded.text]).toEqual([true, ''])
    expect(upstream.socket(0).destroyed).toBe(true)
  })

  it('is not used again when the request had not ended', async () => {
    const { source, body } = aRequestBody({ length: 10 })
    const { recorded } = sendRecorded(client, { method: 'POST', body })
    upstream.socket(0).opens()
    source.write('half')
    await turns(1)
    upstream.socket(0).sends(ok)
    expect(recorded.isEnded).toBe(true)
    expect(upstream.socket(0).destroyed).toBe(true)
  })

  it('is not used again when the system has not taken all of the request', async () => {
    const { source, body } = aRequestBody({ length: 4 })
    const { recorded } = sendRecorded(client, { method: 'POST', body })
    upstream.socket(0).opens().isTaking = false
    source.end('body')
    await turns(1)
    upstream.socket(0).sends(ok)
    expect(recorded.isEnded).toBe(true)
    expect(upstream.socket(0).destroyed).toBe(true)
  })

  it.each<[string, string | undefined, number]>([
    ['a second before upstream does, as it says', 'timeout=10, max=5', 9_000],
    ['after four seconds when it says nothing', undefined, 4_000],
    ['after ten minutes at most', 'timeout=999999999', 600_000],
  ])('that is idle is closed %s', async (_, hint, afterMs) => {
    await answerOne(ok.replace('\r\n', `\r\n${hint === undefined ? 'A: b' : `Keep-Alive: ${hint}`}\r\n`))
    vi.advanceTimersByTime(afterMs - 600)
    expect(upstream.socket(0).destroyed).toBe(false)
    vi.advanceTimersByTime(1_100)
    expect(upstream.socket(0).destroyed).toBe(true)
    await turns(1)
  })

  it('that upstream ends while it is idle is not used', async () => {
    await answerOne()
    upstream.socket(0).ends()
    await turns(1)
    expect(upstream.socket(0).destroyed).toBe(true)
    sendRecorded(client)
    expect(upstream.sockets).toHaveLength(2)
  })
})

describe('a request whose connection is lost', () => {
  const losses: [string, (connection: number) => unknown][] = [
    ['ends', index => upstream.socket(index).ends()],
    ['is reset', index => upstream.socket(index).breaks('ECONNRESET')],
    ['closes without a word', index => upstream.socket(index).breaks()],
  ]

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PROPFIND'])(
    'is not sent again with %s once it was sent',
    async method => {
      for (const [, lose] of losses) {
        start()
        await answerOne()
        const { recorded } = sendRecorded(client, { method })
        lose(0)
        await turns(1)
        expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
        expect(upstream.sockets).toHaveLength(1)
      }
    },
  )

  it('is not sent again with a body', async () => {
    await answerOne()
    const { source, body } = aRequestBody()
    const { recorded } = sendRecorded(client, { method: 'QUERY', body })
    source.write('a')
    await turns(1)
    upstream.socket(0).ends()
    await turns(1)
    expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
  })

  it.each(['H', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r', ok.slice(0, -1)])(
    'is not sent again when %j came',
    async bytes => {
      await answerOne()
      const { recorded } = sendRecorded(client)
      upstream.socket(0).sends(bytes).breaks('ECONNRESET')
      await turns(1)
      expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
      expect(upstream.sockets).toHaveLength(1)
    },
  )

  it.each(losses)('that is new and %s fails', async (_, lose) => {
    const { recorded } = sendRecorded(client)
    upstream.socket(0).opens()
    lose(0)
    await turns(1)
    expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
    expect(upstream.sockets).toHaveLength(1)
  })

  it.each(losses)(
    'before it is there, and which %s, is tried twice when it is idempotent',
    async (_, lose) => {
      for (const [method, tries] of [
        ['PUT', 2],
        ['POST', 1],
      ] as const) {
        start()
        const { recorded } = sendRecorded(client, { method })
        for (let index = 0; index < tries; index++) {
          expect(recorded.isOver).toBe(false)
          lose(index)
          await turns(1)
        }
        expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
        expect(upstream.sockets).toHaveLength(tries)
      }
    },
  )
})

describe('limits of time', () => {
  it('a connection that does not open takes no more than its time, and is not tried twice', async () => {
    const { recorded } = sendRecorded(client)
    vi.advanceTimersByTime(connectTimeoutMs)
    expect(recorded.failure).toEqual({ code: 'upstream.timeout', detail: 'no connection' })
    expect([upstream.sockets.length, upstream.socket(0).destroyed]).toEqual([1, true])
    await turns(1)
  })

  it('a head that comes byte by byte takes no more than its time', async () => {
    const { recorded } = sendRecorded(client)
    upstream.socket(0).opens()
    const slow = `HTTP/1.1 200 OK\r\nX-A: ${'b'.repeat(1_000)}`
    let ms = 0
    for (const byte of slow) {
      if (recorded.isOver) break
      upstream.socket(0).sends(byte)
      vi.advanceTimersByTime(100)
      ms += 100
    }
    expect(recorded.failure).toEqual({ code: 'upstream.timeout', detail: 'no response' })
    expect(ms).toBeLessThan(2 * headersTimeoutMs)
    await turns(1)
  })

  it('an interim response gives it more time', async () => {
    const { recorded } = sendRecorded(client)
    upstream.socket(0).opens()
    for (let count = 0; count < 5; count++) {
      upstream.socket(0).sends('HTTP/1.1 102 Processing\r\n\r\n')
      vi.advanceTimersByTime(0.8 * headersTimeoutMs)
    }
    expect(recorded.isOver).toBe(false)
    vi.advanceTimersByTime(2 * headersTimeoutMs)
    expect(recorded.failure).toEqual({ code: 'upstream.timeout', detail: 'no response' })
    await turns(1)
  })

  it('a body may take any time as long as it moves', async () => {
    const { recorded } = sendRecorded(client)
    upstream.socket(0).opens().sends('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n')
    for (let count = 0; count < 20; count++) {
      upstream.socket(0).sends('.')
      vi.advanceTimersByTime(0.7 * bodyTimeoutMs)
    }
    expect(recorded).toMatchObject({ isOver: false, bytes: 20 })
    vi.advanceTimersByTime(2 * bodyTimeoutMs)
    expect(recorded.failure).toEqual({ code: 'upstream.timeout', detail: 'a body that does not move' })
    await turns(1)
  })

  it('a request that waits for a connection does not wait for ever', async () => {
    start(1)
    const first = sendRecorded(client).recorded
    upstream.socket(0).opens()
    const second = sendRecorded(client).recorded
    vi.advanceTimersByTime(1.5 * connectTimeoutMs)
    expect(second.failure).toEqual({ code: 'upstream.timeout', detail: 'no connection became free' })
    expect(first.isOver).toBe(false)
  })
})

describe('giving up', () => {
  /** Gives its call up as soon as a method of it is called, and must then hear nothing. */
  class GivingUp extends RecordedResponse {
    call: UpstreamCall | undefined
    readonly heard: string[] = []
    readonly #last: string

    constructor(last: string) {
      super()
      this.#last = last
    }

    #note(name: string): void {
      if (this.heard.at(-1) === this.#last) throw new Error(`${name} behind ${this.#last}`)
      this.heard.push(name)
      if (name === this.#last) this.call?.abort()
    }

    override onInformation(): void {
      this.#note('onInformation')
    }
    override onHead(): void {
      this.#note('onHead')
    }
    override onData(): void {
      this.#note('onData')
    }
    override onPause(): void {
      this.#note('onPause')
    }
    override onEnd(): void {
      this.#note('onEnd')
    }
    override onFailure(): void {
      this.#note('onFailure')
    }
  }

  const interim = 'HTTP/1.1 103 Hints\r\n\r\n'
  const answers = {
    whole: `${interim}${interim}${ok}`,
    chunks: `${interim}${interim}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2\r\nok\r\n0\r\n\r\n`,
    part: `${interim}${interim}HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf`,
    malformed: `${interim}${interim}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nX`,
  }
  const methods = ['onInformation', 'onHead', 'onData', 'onPause', 'onEnd', 'onFailure']

  it.each(methods)('within %s is heard at once, and nothing else is', async method => {
    for (const answer of Object.values(answers)) {
      start()
      const handler = new GivingUp(method)
      const { call } = sendRecorded(client, {}, handler)
      handler.call = call
      const socket = upstream.socket(0).opens()
      socket.sends(answer).sends('more')
      socket.ends()
      await turns(2)
      expect(socket.destroyed).toBe(true)
      if (handler.heard.at(-1) !== method) expect(handler.heard.at(-1)).toMatch(/^onEnd|onFailure$/)
      const next = sendRecorded(client).recorded
      upstream.socket(-1).opens().sends(ok)
      expect(next.text).toBe('ok')
    }
  })

  it('before there is a connection gives up the connection', async () => {
    const { recorded, call } = sendRecorded(client)
    call.abort()
    expect(upstream.socket(0).destroyed).toBe(true)
    await turns(1)
    expect(recorded.isOver).toBe(false)
  })

  it('while it waits for a connection leaves it to others', async () => {
    start(1)
    sendRecorded(client)
    const { recorded: second, call } = sendRecorded(client, { target: '/second' })
    const third = sendRecorded(client, { target: '/third' }).recorded
    call.abort()
    call.abort()
    upstream.socket(0).opens().sends(ok)
    await rest()
    expect(upstream.socket(0).written).toContain('GET /third ')
    upstream.socket(0).sends(ok)
    expect([second.isOver, third.text]).toEqual([false, 'ok'])
  })

  it('when it has ended does nothing, also to the next one on the same connection', async () => {
    const first = sendRecorded(client)
    upstream.socket(0).opens().sends(ok)
    await rest()
    const second = sendRecorded(client)
    first.call.abort()
    first.call.pause()
    expect(upstream.socket(0)).toMatchObject({ destroyed: false, isReading: true })
    upstream.socket(0).sends(ok)
    expect(second.recorded.text).toBe('ok')
  })
})

describe('pausing', () => {
  it('before there is a connection holds for the connection, and ends with the response', async () => {
    start(1)
    sendRecorded(client)
    const { recorded, call } = sendRecorded(client)
    call.pause()
    upstream.socket(0).opens().sends(ok)
    await rest()
    expect(upstream.socket(0).isReading).toBe(false)
    call.resume()
    expect(upstream.socket(0).isReading).toBe(true)
    call.pause()
    upstream.socket(0).sends(ok)
    expect(recorded.text).toBe('ok')
    expect(upstream.socket(0).isReading).toBe(true)
  })

  it('while the connection is opened holds for it', () => {
    const { call } = sendRecorded(client)
    call.pause()
    upstream.socket(0).opens()
    expect(upstream.socket(0).isReading).toBe(false)
    call.resume()
    expect(upstream.socket(0).isReading).toBe(true)
  })

  it('stops the clock', async () => {
    const { recorded, call } = sendRecorded(client)
    upstream.socket(0).opens().sends('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no')
    call.pause()
    vi.advanceTimersByTime(10 * bodyTimeoutMs)
    expect(recorded.isOver).toBe(false)
    call.resume()
    vi.advanceTimersByTime(0.5 * bodyTimeoutMs)
    upstream.socket(0).sends('k')
    expect(recorded.text).toBe('ok')
  })
})

describe('a request body', () => {
  it('of known length leaves with its head, as it is', async () => {
    const { source, body } = aRequestBody({ length: 5 })
    sendRecorded(client, { method: 'POST', fields: ['Content-Length', '5'], body })
    source.end('hello')
    upstream.socket(0).opens()
    await turns(1)
    expect(upstream.socket(0).written).toBe('POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello')
  })

  it('of unknown length leaves in chunks, of which an empty piece is none', async () => {
    const { source, body } = aRequestBody({}, ['X-Sum', '1'])
    sendRecorded(client, { method: 'POST', fields: [], body })
    upstream.socket(0).opens()
    source.write('hello world')
    await turns(1)
    source.emit('data', Buffer.alloc(0))
    source.end()
    await turns(2)
    expect(upstream.socket(0).written).toBe(
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\nX-Sum: 1\r\n\r\n',
    )
  })

  it('shorter than it says takes the connection along: the next request would be its rest', async () => {
    const { source, body } = aRequestBody({ length: 5 })
    const { recorded } = sendRecorded(client, { method: 'POST', body })
    upstream.socket(0).opens()
    source.end('half')
    await turns(2)
    expect(recorded.failure).toMatchObject({ code: 'request.malformed' })
    expect(upstream.socket(0).destroyed).toBe(true)
  })

  it('is read on when the system has taken it, and not when its request is over', async () => {
    const { source, body } = aRequestBody()
    const { recorded, call } = sendRecorded(client, { method: 'POST', body })
    upstream.socket(0).opens().isTaking = false
    source.write(Buffer.alloc(5_000))
    await turns(1)
    expect(source.isPaused()).toBe(true)
    upstream.socket(0).takes()
    await turns(1)
    expect(source.isPaused()).toBe(false)
    call.abort()
    source.end('rest')
    await turns(1)
    expect(recorded.isOver).toBe(false)
    expect(source.readableEnded).toBe(true)
    expect([source.listenerCount('data'), source.listenerCount('end')]).toEqual([0, 0])
  })

  it('that upstream does not take in time is upstream.timeout', async () => {
    const { source, body } = aRequestBody()
    const { recorded } = sendRecorded(client, { method: 'POST', body })
    upstream.socket(0).opens().isTaking = false
    source.write(Buffer.alloc(5_000))
    await turns(1)
    vi.advanceTimersByTime(2 * bodyTimeoutMs)
    expect(recorded.failure).toMatchObject({ code: 'upstream.timeout' })
  })
})

describe('closing', () => {
  it('serves those that wait, and closes the connections behind them', async () => {
    start(1)
    const all = [0, 1, 2].map(() => sendRecorded(client).recorded)
    let isClosed = false
    const closing = client.close().then(() => {
      isClosed = true
    })
    upstream.socket(0).opens()
    for (const recorded of all) {
      expect(isClosed).toBe(false)
      upstream.socket(0).sends(ok)
      expect(recorded.text).toBe('ok')
      await rest()
    }
    await closing
    expect([upstream.sockets.length, upstream.socket(0).destroyed]).toEqual([1, true])
  })

  it('does not wait for one that gave up waiting', async () => {
    start(1)
    const first = sendRecorded(client).recorded
    const { call } = sendRecorded(client)
    upstream.socket(0).opens().sends(ok)
    const closing = client.close()
    call.abort()
    await rest()
    await closing
    expect(first.isEnded).toBe(true)
  })

  it('closes connections that have just become idle', async () => {
    sendRecorded(client)
    upstream.socket(0).opens().sends(ok)
    await client.close()
    expect(upstream.socket(0).destroyed).toBe(true)
  })
})
