import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Field } from '../support/hpack.ts'
import { type Http2Hop, startHttp2Hop } from '../support/http2-hop.ts'
import { dataFrame, errorCode, headersFrame, rstStreamFrame } from '../support/http2-raw-client.ts'
import { until } from '../support/until.ts'

/**
 * In HTTP/2 the end of a body is a flag, and a body may be taken back at any byte. To whoever reads it, Node ends a body
 * that was taken back like one that is whole, and before it takes back an answer it may end that, too. So the attacker
 * stops half way and hopes that somebody takes half a message for a whole one.
 */

let hop: Http2Hop
beforeAll(async () => {
  const methods = '[GET, HEAD, POST]'
  hop = await startHttp2Hop({
    routes: `
  - { path: '/orders/**', audience: orders-api, scope: orders:read, methods: ${methods} }`,
  })
})
afterAll(() => hop.close())

const half = '4\r\nhalf\r\n'
/** What the upstream got since the first half of the body. */
const sinceHalf = (): string | undefined => {
  const text = hop.upstream.connections
    .map(({ raw }) => raw.toString('latin1'))
    .findLast(raw => raw.includes(half))
  return text?.slice(text.lastIndexOf(half))
}
const isHanging = (): boolean =>
  hop.upstream.connections.some(({ raw, isOpen }) => isOpen && raw.toString('latin1').endsWith(half))

describe('a body that is taken back', () => {
  it.each<[string, number]>([
    ['CANCEL', errorCode.cancel],
    ['NO_ERROR', errorCode.none],
    ['INTERNAL_ERROR', errorCode.internal],
  ])('pattern E15 E09 with %s is never a whole one for the upstream', async (_what, code) => {
    const from = hop.mark()
    const client = await hop.connect()
    client.send(headersFrame(1, hop.withToken([], { method: 'POST' }), 'more'), dataFrame(1, 'half', 'more'))
    await until(isHanging, 'half of the body')
    // What was on its way when the stream was reset is dropped.
    client.send(rstStreamFrame(1, code), dataFrame(1, 'late'))
    expect(await hop.event(from.events)).toMatchObject({ refusal: 'client.closed' })
    await until(() => !isHanging(), 'the end of the call')
    expect(hop.upstream.requests).toHaveLength(from.requests)
    expect(sinceHalf()).toBe(half)
    client.send(headersFrame(3, hop.withToken()))
    expect((await client.answer(3)).status).toBe(200)
    client.destroy()
    await hop.expectServed()
  })

  it('pattern E15 E09 on a HEAD, whose answer Node holds for ended, is no whole one either', async () => {
    const from = hop.mark()
    const client = await hop.connect()
    client.send(headersFrame(1, hop.withToken([], { method: 'HEAD' }), 'more'), dataFrame(1, 'half', 'more'))
    await until(isHanging, 'half of the body')
    client.send(rstStreamFrame(1, errorCode.none))
    expect(await hop.event(from.events)).toMatchObject({ refusal: 'client.closed' })
    await until(() => !isHanging(), 'the end of the call')
    expect(hop.upstream.requests).toHaveLength(from.requests)
    expect(sinceHalf()).toBe(half)
    client.destroy()
    await hop.expectServed()
  })

  it('pattern E15 E09 by trailers that do not end the stream is none', async () => {
    const from = hop.mark()
    const client = await hop.connect()
    const trailers = headersFrame(1, [['x-sum', '7']] satisfies Field[], 'more')
    client.send(headersFrame(1, hop.withToken([], { method: 'POST' }), 'more'))
    client.send(dataFrame(1, 'half', 'more'), trailers)
    expect(await client.answer(1)).toMatchObject({ status: 0, reset: errorCode.protocol })
    expect(await hop.event(from.events)).toMatchObject({ refusal: 'client.closed' })
    client.destroy()
    await hop.expectServed()
    expect(hop.upstream.requests.slice(from.requests).map(({ target }) => target)).toEqual(['/orders/next'])
  })

  it('pattern E15 E09 that ends is whole, even when it is empty and its end comes by itself', async () => {
    const from = hop.mark()
    const client = await hop.connect()
    client.send(headersFrame(1, hop.withToken([], { method: 'POST' }), 'more'), dataFrame(1, ''))
    expect((await client.answer(1)).status).toBe(200)
    client.destroy()
    const request = await hop.upstream.request(from.requests)
    expect([request.target, request.body.length]).toEqual(['/orders/1', 0])
    await hop.expectServed()
  })
})

describe('an answer that breaks off', () => {
  it.each<[string, string]>([
    ['with a length', 'Content-Length: 100\r\n\r\nhalf'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['before its first byte', 'Content-Length: 100\r\n\r\n'],
  ])('pattern E16 E15 %s is reset, and never ended', async (_what, rest) => {
    const from = hop.mark()
    hop.upstream.enqueue((_request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${rest}`)
      setTimeout(() => socket.destroy(), 50)
      return undefined
    })
    const client = await hop.connect()
    client.send(headersFrame(1, hop.withToken()))
    const answer = await client.answer(1)
    expect(answer).toMatchObject({ status: 200, complete: false, reset: errorCode.internal })
    expect(await hop.event(from.events)).toMatchObject({ type: 'io.hopgate.hop.failed.v1' })
    client.destroy()
    await hop.expectServed()
  })
})
