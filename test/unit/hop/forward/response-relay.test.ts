import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { CallerResponse } from '../../../../src/base/http-caller.ts'
import { Secret } from '../../../../src/base/secret.ts'
import { ResponseParser } from '../../../../src/hop/forward/http1/response-parser.ts'
import { type RelayOptions, ResponseRelay } from '../../../../src/hop/forward/response-relay.ts'
import type { UpstreamCall } from '../../../../src/hop/forward/upstream-client.ts'
import { refusal } from '../../../../src/model/refusal.ts'
import { turns } from '../../../support/fake-upstream.ts'
import { latin1 } from '../../../support/response-reading.ts'

/** A caller's response that notes what it is told to do. */
class Response extends EventEmitter implements CallerResponse {
  shouldKeepAlive = true
  readonly done: string[] = []
  req = { method: 'GET', httpVersion: '1.1', rawHeaders: [] }
  headersSent = false
  destroyed = false
  isFull = false
  /** What the writer of this version of HTTP has no way to say. */
  refuses: 'nothing' | 'interim' | 'head' | 'end' = 'nothing'

  writeContinue(): void {
    this.done.push('continue')
  }

  writeInformation(status: number, fields: string[]): void {
    if (this.refuses === 'interim') throw new TypeError('ERR_INVALID_CHAR')
    this.done.push(`interim ${status} ${fields.join(' ')}`)
  }

  writeHead(status: number, phrase: string, fields: string[]): void {
    if (this.refuses === 'head') throw new TypeError('ERR_INVALID_CHAR')
    if (this.headersSent) throw new Error('a second head')
    this.headersSent = true
    this.done.push(`head ${status} ${phrase} ${fields.join(' ')}`)
  }

  flushHeaders(): void {
    this.done.push('flush')
  }

  write(chunk: Uint8Array): boolean {
    this.done.push(`write ${Buffer.from(chunk).toString('latin1')}`)
    return !this.isFull
  }

  addTrailers(fields: readonly [string, string][]): void {
    this.done.push(`trailers ${fields.flat().join(' ')}`)
  }

  end(body?: Uint8Array | string, encoding?: 'latin1' | 'utf8'): void {
    if (this.refuses === 'end') throw new TypeError('ERR_HTTP2_INVALID_STREAM')
    if (body === undefined) this.done.push('end')
    else if (typeof body === 'string') this.done.push(`end ${encoding} ${body}`)
    else this.done.push(`end ${Buffer.from(body).toString('latin1')}`)
  }

  destroy(): void {
    this.destroyed = true
    this.done.push('destroy')
  }
}

/** A call that notes what it is told to do. */
class Call implements UpstreamCall {
  readonly done: string[] = []
  pause(): void {
    this.done.push('pause')
  }
  resume(): void {
    this.done.push('resume')
  }
  abort(): void {
    this.done.push('abort')
  }
}

const issued = new Secret('issued.token.value')

function start(about: Partial<RelayOptions> = {}) {
  const response = new Response()
  const call = new Call()
  const results: unknown[] = []
  let nowMs = 100
  let unauthorized = 0
  const relay = new ResponseRelay({
    response,
    space: { realm: 'orders' },
    issued,
    monotonicMs: () => nowMs,
    finish: result => results.push(result),
    onUnauthorized: () => {
      unauthorized += 1
    },
    ...about,
  })
  relay.started(call, undefined)
  return {
    relay,
    response,
    call,
    results,
    unauthorized: () => unauthorized,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

const delivered = (status: number, bytesOut: number, complete: boolean) => ({
  ok: true,
  value: { status, upstreamMs: 0, bytesIn: 0, bytesOut, complete },
})
const malformed = (detail: string) => ({ ok: false, error: { code: 'upstream.malformed', detail } })
const notPassedOn = malformed('a header section that cannot be passed on')

/** A piece whose memory is used again as soon as it was handed over. */
function hand(relay: ResponseRelay, text: string): void {
  const chunk = latin1(text)
  relay.onData(chunk)
  chunk.fill('*')
}

describe('a whole answer', () => {
  it('that is small leaves at once, and only then', () => {
    const { relay, response, results, pass } = start()
    pass(7)
    relay.onHead(200, 'OK', ['Content-Length', '5', 'X-Name', '\xe9'])
    hand(relay, 'hell\xf6')
    expect([response.done, results]).toEqual([[], []])
    relay.onEnd([])
    expect(response.done).toEqual(['head 200 OK Content-Length 5 X-Name \xe9', 'end latin1 hell\xf6'])
    expect(results).toEqual([
      { ok: true, value: { status: 200, upstreamMs: 7, bytesIn: 0, bytesOut: 5, complete: true } },
    ])
  })

  it('that is larger leaves at once as well', () => {
    const { relay, response } = start()
    const body = 'x'.repeat(10_000)
    relay.onHead(200, 'OK', [])
    hand(relay, body)
    relay.onEnd([])
    expect(response.done).toEqual(['head 200 OK ', `end ${body}`])
  })

  it('without a body leaves as its head', () => {
    const { relay, response, results } = start()
    relay.onHead(304, 'Same', ['ETag', '"x"'])
    relay.onEnd([])
    expect(response.done).toEqual(['head 304 Same ETag "x"', 'end'])
    expect(results).toEqual([delivered(304, 0, true)])
  })

  it('with trailers brings them, but no credentials', () => {
    const { relay, response } = start()
    relay.onHead(200, 'OK', [])
    hand(relay, 'ok')
    relay.onEnd(['X-Sum', '1', 'Authorization', 'Bearer x', 'X-Echo', 'issued.token.value'])
    expect(response.done).toEqual(['head 200 OK ', 'trailers X-Sum 1', 'end latin1 ok'])
  })

  it('of status 204 does not speak of a length (RFC 9110 §8.6)', () => {
    const { relay, response } = start()
    relay.onHead(204, 'None', ['content-length', '6', 'X-A', 'b'])
    relay.onEnd([])
    expect(response.done).toEqual(['head 204 None X-A b', 'end'])
  })

  it("of status 401 is told of, and gets our challenge instead of upstream's", () => {
    const { relay, response, unauthorized } = start()
    relay.onHead(401, 'No', ['WWW-Authenticate', 'Bearer error="invalid_token"'])
    expect(unauthorized()).toBe(1)
    relay.onEnd([])
    expect(response.done).toEqual(['head 401 No WWW-Authenticate Bearer realm="orders"', 'end'])
  })

  it('leaves in one write through Node, when it is small', async () => {
    const writes: string[] = []
    const socket = new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        writes.push(chunk.toString('latin1'))
        done()
      },
      writev(chunks, done) {
        writes.push(`several: ${chunks.map(({ chunk }) => chunk.toString('latin1')).join('|')}`)
        done()
      },
    })
    const server = createServer({ keepAliveTimeout: 0 })
    server.emit('connection', socket)
    socket.push('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
    response.sendDate = false
    const { relay } = start({ response })
    relay.onHead(200, 'OK', ['Content-Length', '2'])
    hand(relay, 'o\xe9')
    relay.onEnd([])
    await turns(1)
    expect(writes).toEqual(['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\no\xe9'])
    socket.destroy()
  })
})

describe('an answer that comes bit by bit', () => {
  it('leaves when everything that came together was read', () => {
    const { relay, response } = start()
    relay.onPause()
    relay.onHead(200, 'OK', [])
    relay.onPause()
    expect(response.done).toEqual(['head 200 OK ', 'flush'])
    relay.onPause()
    hand(relay, 'one')
    relay.onPause()
    hand(relay, 'two')
    relay.onEnd([])
    expect(response.done.slice(2)).toEqual(['write one', 'write two', 'end'])
  })

  it('leaves with its first piece when that came with its head', () => {
    const { relay, response } = start()
    relay.onHead(200, 'OK', [])
    hand(relay, 'data: \xe9\n\n')
    relay.onPause()
    expect(response.done).toEqual(['head 200 OK ', 'write data: \xe9\n\n'])
  })

  it('leaves in order when several pieces came with its head', () => {
    const { relay, response, results } = start()
    relay.onHead(200, 'OK', [])
    for (const piece of ['one', 'x'.repeat(5_000), 'three']) hand(relay, piece)
    relay.onEnd([])
    expect(response.done).toEqual([
      'head 200 OK ',
      'write one',
      `write ${'x'.repeat(5_000)}`,
      'write three',
      'end',
    ])
    expect(results).toEqual([delivered(200, 5_008, true)])
  })

  it('is read no faster than the caller reads, with one listener however much comes meanwhile', () => {
    const { relay, response, call } = start()
    relay.onHead(200, 'OK', [])
    relay.onPause()
    response.isFull = true
    for (let count = 0; count < 100; count++) hand(relay, 'x')
    expect([call.done, response.listenerCount('drain')]).toEqual([['pause'], 1])
    response.isFull = false
    response.emit('drain')
    expect([call.done, response.listenerCount('drain')]).toEqual([['pause', 'resume'], 0])
    response.isFull = true
    hand(relay, 'y')
    expect(call.done).toEqual(['pause', 'resume', 'pause'])
    relay.onEnd([])
    response.emit('drain')
    expect(response.done.at(-1)).toBe('end')
  })
})

describe('early hints', () => {
  it('are given to the caller, without the issued token; other interim answers are not', () => {
    const { relay, response } = start()
    relay.onInformation(102, ['X-A', 'b'])
    relay.onInformation(103, [
      'Link',
      '</a>',
      'X-Echo',
      'issued.token.value',
      'Connection',
      'close',
      'Content-Length',
      '5',
    ])
    relay.onInformation(199, [])
    expect(response.done).toEqual(['interim 103 Link </a>'])
  })

  it('are not for HTTP/1.0 (RFC 9110 §15.2)', () => {
    const { relay, response } = start()
    response.req.httpVersion = '1.0'
    relay.onInformation(103, ['Link', '</a>'])
    expect(response.done).toEqual([])
  })
})

describe('an answer that fails', () => {
  const reason = refusal('upstream.malformed', 'a test')

  it('before anything of it has left is refused, and nothing of it leaves', () => {
    for (const pieces of [0, 1]) {
      const { relay, response, results } = start()
      relay.onInformation(103, [])
      relay.onHead(200, 'OK', [])
      if (pieces === 1) hand(relay, 'half')
      relay.onFailure(reason)
      expect([response.done, results]).toEqual([['interim 103 '], [{ ok: false, error: reason }]])
    }
  })

  it('after its head has left is broken off, and recorded as not complete', () => {
    const { relay, response, results } = start()
    relay.onHead(200, 'OK', [])
    hand(relay, 'half')
    relay.onPause()
    relay.onFailure(reason)
    expect(response.done).toEqual(['head 200 OK ', 'write half', 'destroy'])
    expect(results).toEqual([delivered(200, 4, false)])
  })

  it.each([
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nX',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nContent-Length: 4\r\n\r\n',
    'HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood',
  ])('because all that came of it is malformed is refused, and nothing of it leaves: %j', text => {
    const { relay, response, results } = start()
    const parser = new ResponseParser()
    parser.begin(relay, false)
    expect(parser.read(latin1(text), text.length)).toBe('malformed')
    relay.onFailure(refusal('upstream.malformed', parser.reason))
    expect(response.done.filter(one => !one.startsWith('interim'))).toEqual([])
    expect(results).toEqual([malformed(parser.reason)])
  })

  it.each(['interim', 'head', 'end'] as const)(
    'because the caller cannot be told its %s is given up, and nothing is thrown',
    refuses => {
      const answers: ((relay: ResponseRelay) => void)[] = [
        relay => relay.onEnd([]),
        relay => {
          hand(relay, 'ok')
          relay.onEnd([])
        },
        relay => relay.onPause(),
        relay => {
          hand(relay, 'one')
          hand(relay, 'two')
        },
      ]
      for (const answer of refuses === 'end' ? answers.slice(0, 2) : answers) {
        const { relay, response, call, results } = start()
        response.refuses = refuses
        relay.onInformation(103, [])
        if (refuses !== 'interim') {
          relay.onHead(200, 'OK', [])
          answer(relay)
        }
        expect(call.done).toEqual(['abort'])
        if (refuses === 'end') {
          expect(response.destroyed).toBe(true)
          expect(results).toEqual([expect.objectContaining({ ok: true })])
          expect(results).not.toContainEqual(delivered(200, 0, true))
        } else {
          expect(results).toEqual([notPassedOn])
          expect(response.done.filter(one => one.startsWith('write'))).toEqual([])
        }
      }
    },
  )

  it('is finished once, whatever else comes', () => {
    const { relay, response, results } = start()
    relay.onFailure(reason)
    relay.onFailure(refusal('upstream.timeout', 'too late'))
    relay.giveUp(refusal('upstream.timeout', 'too late'))
    response.emit('close')
    expect(results).toEqual([{ ok: false, error: reason }])
  })
})

describe('a caller that goes away', () => {
  it('before there is an answer takes the request along', () => {
    const { response, call, results } = start()
    response.emit('close')
    expect(call.done).toEqual(['abort'])
    expect(results).toEqual([{ ok: false, error: { code: 'client.closed', detail: 'the caller went away' } }])
  })

  it('within the answer takes the request along, and is recorded', () => {
    const { relay, response, call, results } = start()
    relay.onHead(200, 'OK', [])
    hand(relay, 'half')
    relay.onPause()
    response.emit('close')
    expect(call.done).toEqual(['abort'])
    expect(results).toEqual([delivered(200, 4, false)])
  })

  it('behind the answer changes nothing', () => {
    const { relay, response, call, results } = start()
    relay.onHead(200, 'OK', [])
    relay.onEnd([])
    response.emit('close')
    expect([call.done, results]).toEqual([[], [delivered(200, 0, true)]])
  })

  it('before the request was sent is noticed as soon as it is', () => {
    const response = new Response()
    response.destroyed = true
    const call = new Call()
    const results: unknown[] = []
    const relay = new ResponseRelay({
      response,
      space: undefined,
      issued: undefined,
      monotonicMs: () => 0,
      finish: result => results.push(result),
      onUnauthorized: () => {},
    })
    relay.started(call, undefined)
    expect(call.done).toEqual(['abort'])
    expect(results).toHaveLength(1)
  })
})
