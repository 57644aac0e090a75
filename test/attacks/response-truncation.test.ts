import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type FramedHop, startFramedHop, statuses, usual } from '../support/framed-hop.ts'
import {
  createHostileUpstream,
  type HostileUpstream,
  latin1,
  ok,
  sendAndEnd,
} from '../support/hostile-upstream.ts'

/**
 * Half an answer that looks whole: a list of revoked users that ends early, a policy without its last rule, a file that
 * is cached for ever. When the upstream's answer breaks off, so must the caller's, and when it never ends, neither may
 * the caller's, nor may another answer fill the gap.
 */

let hop: FramedHop
let upstream: HostileUpstream
beforeAll(async () => {
  hop = await startFramedHop({ more: 'timeouts: { upstream_headers: 1s, body_idle: 500ms }' })
  upstream = createHostileUpstream(hop)
})
afterAll(() => hop.close())
afterEach(() => {
  hop.upstream.clear()
  hop.upstream.answerWith(usual)
})

const finish = (socket: Socket): unknown => socket.end()
const reset = (socket: Socket): unknown => socket.resetAndDestroy()
const chunked = ok('Transfer-Encoding: chunked')

describe('E15 and pattern E16: an end that comes too early', () => {
  it.each<[string, string]>([
    ['in a body with a length', `${ok('Content-Length: 100')}half`],
    ['before a body with a length', ok('Content-Length: 100')],
    ['before the last byte', `${ok('Content-Length: 5')}half`],
    ['in a chunk', `${chunked}64\r\nhalf`],
    ['behind a chunk', `${chunked}4\r\nhalf`],
    ['between two chunks', `${chunked}4\r\nhalf\r\n`],
    ['in a chunk size', `${chunked}4\r\nhalf\r\n1`],
    ['behind the last chunk', `${chunked}4\r\nhalf\r\n0\r\n`],
    ['in the trailers', `${chunked}4\r\nhalf\r\n0\r\nX-A: 1`],
    ['in a status line', 'HTTP/1.1 200'],
    ['in a head', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A: 1'],
    ['before the empty line', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n'],
    ['behind an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('E15 pattern E16 lets no answer look whole that ends or is reset %s', async (_, bytes) => {
    await upstream.expectNotWhole(sendAndEnd(bytes, finish))
    await upstream.expectNotWhole(sendAndEnd(bytes, reset))
  })

  it('E15 lets no answer look whole that is reset where only the end of its connection would end it', async () => {
    await upstream.expectNotWhole(sendAndEnd(`${ok('X-A: 1')}half`, reset))
  })

  it('E15 passes an answer on as whole that ends with its connection', async () => {
    const outcome = await upstream.relay(sendAndEnd(`${ok('X-A: 1')}whole`, finish))
    expect(outcome.answer.responses[0]).toMatchObject({ status: 200, complete: true, text: 'whole' })
    expect(outcome.event.type).toBe('io.hopgate.hop.forwarded.v1')
    await upstream.expectNotUsedAgain(outcome)
  })

  it.each([
    ['a body with a length', `${ok('Content-Length: 100')}half`],
    ['a chunk', `${chunked}64\r\nhalf`],
    ['chunks', `${chunked}4\r\nhalf\r\n`],
  ])('pattern E16 breaks off %s of which nothing more comes', async (_, bytes) => {
    await upstream.expectNotWhole(bytes)
  })
})

describe('pattern E16: a length that is not that of the body', () => {
  const packed = gzipSync('a text that is packed')
  const withLength = (length: number): Buffer =>
    Buffer.concat([latin1(ok('Content-Encoding: gzip', `Content-Length: ${length}`)), packed])

  it('pattern E16 breaks off a packed body that is shorter than its length', async () => {
    await upstream.expectNotWhole(withLength(packed.length + 3))
  })

  it('pattern E16 gives nobody the rest of a packed body that is longer than its length', async () => {
    const outcome = await upstream.relay(withLength(packed.length - 3))
    const [only, ...others] = outcome.answer.responses
    expect(others).toEqual([])
    if (statuses(outcome.answer)[0] !== 502) expect(only?.body).toEqual(packed.subarray(0, -3))
    await upstream.expectNotUsedAgain(outcome)
  })
})

describe('E15: chunks that are none', () => {
  const end = '0\r\n\r\n'

  it.each<[string, string]>([
    ['a size of 0x5', `0x5\r\nhello\r\n${end}`],
    ['a size of -5', `-5\r\nhello\r\n${end}`],
    ['a size of +5', `+5\r\nhello\r\n${end}`],
    ['a size of 5g', `5g\r\nhello\r\n${end}`],
    ['a space before the size', ` 5\r\nhello\r\n${end}`],
    ['no size', `\r\nhello\r\n${end}`],
    ['a size of 2^64 + 5', `10000000000000005\r\nhello\r\n${end}`],
    ['a bare line feed behind the size', `5\nhello\r\n${end}`],
    ['a bare line feed in an extension', `5;a\nb\r\nhello\r\n${end}`],
    ['nothing behind the data', `5\r\nhello${end}`],
    ['a bare line feed behind the data', `5\r\nhello\n${end}`],
    ['more data than its size', `5\r\nhello world\r\n${end}`],
    ['a length among the trailers', '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n'],
    ['a trailer without a colon', '5\r\nhello\r\n0\r\npoison\r\n\r\n'],
    ['a bare carriage return in a trailer', '5\r\nhello\r\n0\r\nX-A: 1\rX-Poison: 1\r\n\r\n'],
  ])('E15 lets no answer look whole that has %s', async (_, body) => {
    await upstream.expectNotWhole(latin1(chunked + body))
    await upstream.expectNotWhole(latin1(`${chunked}4\r\ngood\r\n${body}`))
  })
})
