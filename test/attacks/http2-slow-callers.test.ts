import { afterEach, expect, it } from 'vitest'
import { encodeFields } from '../support/hpack.ts'
import { type Http2Hop, startHttp2Hop } from '../support/http2-hop.ts'
import {
  dataFrame,
  errorCode,
  flag,
  frame,
  frameType,
  type Http2RawClient,
  headersFrame,
  pingFrame,
  setting,
  windowUpdateFrame,
} from '../support/http2-raw-client.ts'
import { until } from '../support/until.ts'
import { response } from '../support/upstream.ts'

/**
 * A connection of HTTP/2 has frames that carry nothing of a request, such as PING, and windows that say how much may be
 * sent. So the attacker keeps connections and requests for ever: he stops at any point and sends PING. Each must end by
 * its own limit, and no request of somebody who is only waiting for the upstream.
 */

const running: Http2Hop[] = []
afterEach(async () => {
  for (const hop of running.splice(0)) await hop.close()
})

async function start(
  timeouts = '{ headers: 300ms, keep_alive: 300ms, body_idle: 300ms }',
): Promise<Http2Hop> {
  const hop = await startHttp2Hop({ more: `timeouts: ${timeouts}` })
  running.push(hop)
  return hop
}

/** Does something while PING is sent, fifty times in a second. */
async function whilePinging<T>(client: Http2RawClient, wait: () => Promise<T>): Promise<T> {
  const pinging = setInterval(() => client.send(pingFrame()), 20)
  try {
    return await wait()
  } finally {
    clearInterval(pinging)
  }
}

it('E17 pattern F07 who sends a preface and no settings is closed', async () => {
  const hop = await start()
  const client = await hop.connect({ opening: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') })
  await client.closed()
  await hop.expectServed()
})

it('E17 pattern F07 who has no request is told to go, PING or not', async () => {
  const hop = await start()
  const client = await hop.connect()
  client.send(headersFrame(1, hop.withToken()))
  expect((await client.answer(1)).status).toBe(200)
  await whilePinging(client, () => client.closed())
  expect(await client.goaway()).toEqual({ code: errorCode.none, lastStreamId: 1 })
})

it('E17 pattern F07 who stops within a header section is closed', async () => {
  const hop = await start()
  const client = await hop.connect()
  client.send(frame(frameType.headers, flag.endStream, 1, encodeFields(hop.withToken())))
  await client.closed()
  await hop.expectServed()
})

it('E17 pattern F07 who stops within a body loses the stream, PING or not, and no other', async () => {
  const hop = await start()
  const from = hop.mark()
  const client = await hop.connect()
  client.send(headersFrame(1, hop.withToken([], { method: 'POST' }), 'more'), dataFrame(1, 'abc', 'more'))
  const answer = await whilePinging(client, () => client.answer(1))
  expect(answer).toMatchObject({ status: 0, reset: errorCode.internal })
  expect(await hop.event(from.events)).toMatchObject({ refusal: 'client.closed' })
  client.send(headersFrame(3, hop.withToken()))
  expect((await client.answer(3)).status).toBe(200)
  client.destroy()
})

it('E17 pattern F07 who waits for the upstream may do so', async () => {
  const hop = await start()
  hop.upstream.answerWith(async () => {
    await new Promise(resolve => setTimeout(resolve, 900))
    return response(200, 'late')
  })
  const client = await hop.connect()
  client.send(headersFrame(1, hop.withToken()))
  expect(await client.answer(1)).toMatchObject({ status: 200, text: 'late' })
  client.destroy()
})

it('E17 pattern F07 who takes an answer bit by bit gets it, in more time than the idle limit', async () => {
  const hop = await start('{ body_idle: 2s }')
  const body = 'x'.repeat(1_200_000)
  hop.upstream.answerWith(response(200, body))
  const client = await hop.connect({ settings: [[setting.initialWindowSize, 0]] })
  const startedMs = performance.now()
  client.send(windowUpdateFrame(0, 2_000_000), headersFrame(1, hop.withToken()))
  const opening = setInterval(() => client.send(windowUpdateFrame(1, 8_000)), 20)
  const answer = await client.answer(1)
  clearInterval(opening)
  expect(performance.now() - startedMs).toBeGreaterThan(2_000)
  expect(answer.complete).toBe(true)
  expect(answer.text === body).toBe(true)
  client.destroy()
})

it('E17 pattern F07 who takes nothing of an answer loses the connection', async () => {
  const hop = await start('{ body_idle: 300ms, keep_alive: 300ms }')
  const from = hop.mark()
  hop.upstream.answerWith(response(200, 'x'.repeat(30_000_000)))
  const client = await hop.connect({ settings: [[setting.initialWindowSize, 0x7fffffff]] })
  client.send(windowUpdateFrame(0, 0x7fff0000 - 65_535))
  await until(() => client.frames.length > 1, 'the settings')
  client.socket.pause()
  client.send(headersFrame(1, hop.withToken()))
  await hop.event(from.events)
  await until(() => hop.upstream.connections.some(({ isOpen }) => !isOpen), 'the end of the call')
  hop.upstream.answerWith(response(200, 'ok'))
  await hop.expectServed()
  // The kernel has some of it still; behind it is the end.
  client.socket.resume()
  await client.closed()
  expect((await client.answer(1)).complete).toBe(false)
})
