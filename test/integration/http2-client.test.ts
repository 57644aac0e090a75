import { once } from 'node:events'
import { createServer as createHttp1Server } from 'node:http'
import { createSecureServer, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { createConnect } from '../../src/hop/forward/connect.ts'
import { createHttp2Client, type Http2ClientOptions } from '../../src/hop/forward/http2/http2-client.ts'
import type { UpstreamClient } from '../../src/hop/forward/upstream-client.ts'
import { canMakeCertificates, createAuthority, withCertificates } from '../support/certificate.ts'
import type { Field } from '../support/hpack.ts'
import { decodeFields, encodeFields } from '../support/hpack.ts'
import {
  dataFrame,
  errorCode,
  flag,
  frame,
  frameType,
  headersFrame,
  rstStreamFrame,
  setting,
  settingsFrame,
  windowUpdateFrame,
} from '../support/http2-raw-client.ts'
import {
  goawayFrame,
  type Http2RawServer,
  type RawRequest,
  type RawServerOptions,
  startHttp2RawServer,
} from '../support/http2-raw-server.ts'
import { sendRecorded } from '../support/recorded-response.ts'
import { aRequestBody } from '../support/request-body.ts'
import { openMaterial, writeTlsFiles } from '../support/tls.ts'
import { until } from '../support/until.ts'

/** The HTTP/2 client, against servers that send what they like. What every client does is in test/contract. */

const maxConcurrentStreams = 3

/** Whatever a test has opened, closed after it in reverse order. */
const opened: (() => unknown)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

const usual = {
  connectTimeoutMs: 2_000,
  headersTimeoutMs: 20_000,
  bodyTimeoutMs: 20_000,
  maxSessions: 8,
  streamsPerSession: 100,
  requestsPerSession: 1_000_000,
  idleMs: 60_000,
  pingAfterMs: 20_000,
  pingTimeoutMs: 20_000,
}

const createClient = (port: number, options: Partial<Http2ClientOptions> = {}): UpstreamClient => {
  const origin = new URL(`http://127.0.0.1:${port}`)
  const client = createHttp2Client({
    ...usual,
    origin,
    connect: createConnect(origin, 'h2', undefined),
    ...options,
  })
  opened.push(() => Promise.race([client.close(), sleep(2_000)]))
  return client
}

const start = async (
  server: RawServerOptions = {},
  options: Partial<Http2ClientOptions> = {},
): Promise<{ readonly server: Http2RawServer; readonly client: UpstreamClient }> => {
  const raw = await startHttp2RawServer(server)
  opened.push(() => raw.close())
  return { server: raw, client: createClient(raw.port, options) }
}

const ok: readonly Field[] = [[':status', '200']]
/** Answers a request with 200 and a text. */
const answer = ({ peer, streamId }: RawRequest, text = 'ok'): void =>
  peer.send(headersFrame(streamId, ok, 'more'), dataFrame(streamId, text))

describe('a connection', () => {
  it('gets no request before it has said that it speaks HTTP/2', async () => {
    const { server, client } = await start({ isSilent: true }, { connectTimeoutMs: 300 })
    const { recorded } = sendRecorded(client, { fields: ['Host', 'a', 'Authorization', 'Bearer issued'] })
    await recorded.over()
    expect(recorded.failure).toEqual({ code: 'upstream.timeout', detail: expect.stringMatching(/^no /) })
    expect(server.requests).toHaveLength(0)
    expect(server.peers.length).toBeGreaterThan(0)
  })

  it('is told that nothing may be pushed, and how much may come at once', async () => {
    const { server, client } = await start({ onRequest: answer })
    await sendRecorded(client).recorded.over()
    const sent = server.peers[0]?.frames.find(({ type }) => type === frameType.settings)?.payload as Buffer
    const settings = new Map<number, number>()
    for (let at = 0; at < sent.length; at += 6) settings.set(sent.readUInt16BE(at), sent.readUInt32BE(at + 2))
    expect(settings.get(setting.enablePush)).toBe(0)
    expect(settings.get(6)).toBe(64 * 1_024)
    expect(settings.get(setting.initialWindowSize)).toBe(256 * 1_024)
  })

  it('to a server that only knows HTTP/1.1 is upstream.malformed', async () => {
    const server = createHttp1Server((_, response) => response.end('ok')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    opened.push(() => server.close())
    const { recorded } = sendRecorded(createClient((server.address() as AddressInfo).port))
    await recorded.over()
    expect(recorded.failure).toEqual({ code: 'upstream.malformed', detail: 'bytes that are no HTTP/2' })
  })

  it('takes as many requests as its server says, and another one is opened for more', async () => {
    const waiting: RawRequest[] = []
    const { server, client } = await start({
      settings: [[maxConcurrentStreams, 2]],
      onRequest: request => void waiting.push(request),
    })
    const all = Array.from(
      { length: 5 },
      (_, index) => sendRecorded(client, { target: `/${index}` }).recorded,
    )
    await until(() => waiting.length === 5, 'all requests')
    expect(server.peers).toHaveLength(3)
    for (const peer of server.peers) {
      expect(server.requests.filter(request => request.peer === peer).length).toBeLessThanOrEqual(2)
    }
    for (const request of waiting) answer(request)
    for (const recorded of all) expect((await recorded.over()).text).toBe('ok')
  })

  it('is one of so many and no more; what is too much waits', async () => {
    const { server, client } = await start({ settings: [[maxConcurrentStreams, 1]] }, { maxSessions: 2 })
    const all = Array.from({ length: 4 }, () => sendRecorded(client).recorded)
    await until(() => server.requests.length === 2, 'two requests')
    await sleep(100)
    expect(server.peers).toHaveLength(2)
    expect(server.requests).toHaveLength(2)
    for (let index = 0; index < 4; index += 1) answer(await server.request(index))
    for (const recorded of all) expect((await recorded.over()).text).toBe('ok')
    expect(server.peers).toHaveLength(2)
  })

  it('may change its mind about how many it takes', async () => {
    const { server, client } = await start({ settings: [[maxConcurrentStreams, 0]] }, { maxSessions: 1 })
    const { recorded } = sendRecorded(client)
    await until(() => server.peers.length === 1, 'the connection')
    await sleep(100)
    expect(server.requests).toHaveLength(0)
    server.peers[0]?.send(settingsFrame([[maxConcurrentStreams, 1]]))
    answer(await server.request())
    expect((await recorded.over()).text).toBe('ok')
  })

  it('is closed when it was idle for long, with a word', async () => {
    const { server, client } = await start({ onRequest: answer }, { idleMs: 100 })
    await sendRecorded(client).recorded.over()
    await until(() => server.peers[0]?.isClosed === true, 'the end of the connection')
    expect(server.peers[0]?.frames.some(({ type }) => type === frameType.goaway)).toBe(true)
    expect((await sendRecorded(client).recorded.over()).text).toBe('ok')
    expect(server.peers).toHaveLength(2)
  })

  it('is given up for a new one before its stream numbers run out', async () => {
    const { server, client } = await start({ onRequest: answer }, { requestsPerSession: 3 })
    for (let count = 0; count < 7; count += 1) {
      expect((await sendRecorded(client).recorded.over()).text).toBe('ok')
    }
    expect(server.peers).toHaveLength(3)
    await until(() => server.peers.filter(({ isClosed }) => isClosed).length === 2, 'the end of the old ones')
  })
})

describe.skipIf(!canMakeCertificates)(`with TLS${withCertificates}`, () => {
  const trusting = () => {
    const authority = createAuthority()
    const own = authority.issue({ names: ['IP:127.0.0.1'] })
    const material = openMaterial(writeTlsFiles({ ca: authority.cert }))
    const clientOf = (port: number): UpstreamClient => {
      const origin = new URL(`https://127.0.0.1:${port}`)
      const target = { url: origin, serverName: undefined, spiffeIds: [] }
      return createClient(port, { origin, connect: createConnect(origin, 'h2', { material, target }) })
    }
    return { own, clientOf }
  }

  it('HTTP/2 is chosen by ALPN, and the scheme is https', async () => {
    const { own, clientOf } = trusting()
    let scheme: unknown
    const server = createSecureServer(own, (request, response) => {
      scheme = request.scheme
      response.end('ok')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    expect((await sendRecorded(clientOf((server.address() as AddressInfo).port)).recorded.over()).text).toBe(
      'ok',
    )
    expect(scheme).toBe('https')
  })

  it.each([
    ['chooses another protocol', ['http/1.1']],
    ['chooses none', undefined],
  ])(
    'a server that %s is upstream.unreachable, and hears nothing of the request',
    async (_, ALPNProtocols) => {
      const { own, clientOf } = trusting()
      let heard = ''
      const server = createTlsServer({ ...own, ...(ALPNProtocols && { ALPNProtocols }) }, socket => {
        socket.on('error', () => {})
        socket.on('data', chunk => {
          heard += chunk
        })
      }).listen(0, '127.0.0.1')
      server.on('tlsClientError', () => {})
      await once(server, 'listening')
      onTestFinished(() => void server.close())
      const { recorded } = sendRecorded(clientOf((server.address() as AddressInfo).port))
      await recorded.over()
      expect(recorded.failure).toEqual({
        code: 'upstream.unreachable',
        detail: expect.stringMatching(/^no HTTP\/2 by ALPN$|NO_APPLICATION_PROTOCOL$/),
      })
      expect(heard).toBe('')
    },
  )
})

describe('a request', () => {
  it('has its pseudo-header fields first, lower-case names, and nothing about a connection', async () => {
    const { server, client } = await start({ onRequest: answer })
    const fields = ['X-First', '1', 'Connection', 'close', 'TE', 'gzip', 'Keep-Alive', '5', 'Upgrade', 'x']
    const more = ['Transfer-Encoding', 'chunked', 'HTTP2-Settings', 'AAMA', 'Proxy-Connection', 'close']
    const last = [
      'Content-Type',
      'a/b',
      'Content-Type',
      'c/d',
      'Host',
      'orders.test:81',
      'Authorization',
      'Bearer t',
    ]
    const plain = sendRecorded(client, { target: '/a?b', fields: [...fields, ...more, ...last] }).recorded
    await plain.over()
    expect((await server.request()).fields).toEqual([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'orders.test:81'],
      [':path', '/a?b'],
      ['x-first', '1'],
      ['content-type', 'a/b'],
      ['content-type', 'c/d'],
      ['authorization', 'Bearer t'],
    ])
    await sendRecorded(client, { acceptsTrailers: true }).recorded.over()
    expect((await server.request(1)).header('te')).toBe('trailers')
  })

  it('that holds what would be another field is not sent', async () => {
    const { server, client } = await start({ onRequest: answer })
    for (const value of ['a\r\nx-admin: 1', 'a\0x-admin\x001\0', 'a\nb']) {
      const { recorded } = sendRecorded(client, { fields: ['Host', 'a', 'X-Name', value] })
      await recorded.over()
      expect(recorded.failure).toMatchObject({ code: 'internal' })
    }
    expect(server.requests).toHaveLength(0)
    expect((await sendRecorded(client).recorded.over()).text).toBe('ok')
  })

  const longFields = (count: number, length: number): string[] => [
    'Host',
    'a',
    ...Array.from({ length: count }, () => ['X-Long', 'x'.repeat(length)]).flat(),
  ]

  it('may have a large header section', async () => {
    const lengths: number[] = []
    const settings = { maxHeaderListSize: 1_000_000 }
    const server = createServer({ settings, maxHeaderListPairs: 500 }, (request, response) => {
      lengths.push(request.rawHeaders.join('').length)
      response.end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    opened.push(() => server.close())
    const client = createClient((server.address() as AddressInfo).port)
    const { recorded } = sendRecorded(client, { fields: longFields(4, 30_000) })
    expect((await recorded.over()).status).toBe(200)
    expect(lengths[0]).toBeGreaterThan(120_000)
  })

  it.each([
    ['one field for which servers end connections', 1, 70_000, []],
    ['a header section for which servers end connections', 10, 20_000, []],
    ['a header section larger than upstream takes', 2, 5_000, [[6, 8_000]] as const],
  ])('with %s is refused, and harms no other', async (_, count, length, settings) => {
    const { server, client } = await start({ settings, onRequest: answer })
    const { recorded } = sendRecorded(client, { fields: longFields(count, length) })
    await recorded.over()
    expect(recorded.failure).toMatchObject({ code: 'request.header_too_large' })
    expect((await sendRecorded(client, { fields: longFields(1, 5_000) }).recorded.over()).text).toBe('ok')
    expect(server.peers).toHaveLength(1)
    expect(server.requests).toHaveLength(1)
  })

  it('that is given up within its body is reset with CANCEL, and its body is not ended', async () => {
    const { server, client } = await start()
    const { source, body } = aRequestBody()
    const { call } = sendRecorded(client, { method: 'POST', body })
    source.write('half')
    const { peer, streamId } = await server.request()
    await until(() => peer.body(streamId).text === 'half', 'the body')
    call.abort()
    await until(() => peer.reset(streamId) !== undefined, 'RST_STREAM')
    expect(peer.reset(streamId)).toBe(errorCode.cancel)
    expect(peer.body(streamId)).toEqual({ text: 'half', isEnded: false })
  })

  it('that was answered before its end is reset, and its body is not ended', async () => {
    const { server, client } = await start({
      onRequest: request => setTimeout(() => answer(request, 'early'), 50),
    })
    for (let count = 0; count < 5; count += 1) {
      const { source, body } = aRequestBody()
      const { recorded } = sendRecorded(client, { method: 'POST', body })
      source.write('half')
      expect((await recorded.over()).text).toBe('early')
      const { peer, streamId } = await server.request(count)
      await until(() => peer.reset(streamId) !== undefined, 'RST_STREAM')
      expect(peer.body(streamId)).toEqual({ text: 'half', isEnded: false })
    }
    expect(server.peers).toHaveLength(1)
  })

  it('whose trailers are announced brings them, and is cancelled as any other', async () => {
    const { server, client } = await start({ settings: [[setting.initialWindowSize, 100]] })
    const begin = (text: string) => {
      const { source, body } = aRequestBody({}, ['X-Sum', '42'])
      const sent = sendRecorded(client, { method: 'POST', body, announcesTrailers: true })
      source.write(text)
      return { ...sent, source }
    }
    const whole = begin('some')
    whole.source.end()
    const first = await server.request()
    await until(() => first.peer.body(first.streamId).isEnded, 'the trailers')
    const block = first.peer.frames.findLast(({ type }) => type === frameType.headers)?.payload as Buffer
    expect(decodeFields(block)).toEqual([['x-sum', '42']])
    whole.call.abort()
    await until(() => first.peer.reset(first.streamId) === errorCode.cancel, 'RST_STREAM')

    const half = begin('half')
    const second = await server.request(1)
    await until(() => second.peer.body(second.streamId).text === 'half', 'the body')
    half.call.abort()
    await until(() => second.peer.reset(second.streamId) === errorCode.cancel, 'RST_STREAM')
    expect(second.peer.body(second.streamId).isEnded).toBe(false)

    const stuck = begin('x'.repeat(1_000))
    stuck.source.end()
    const third = await server.request(2)
    await until(() => third.peer.body(third.streamId).text.length === 100, 'the first piece')
    stuck.call.abort()
    third.peer.send(windowUpdateFrame(third.streamId, 10_000))
    await until(() => third.peer.reset(third.streamId) === errorCode.cancel, 'RST_STREAM')
    expect(third.peer.body(third.streamId).isEnded).toBe(false)
    expect(server.peers).toHaveLength(1)
  })

  it('whose trailers were not announced goes without them', async () => {
    const { server, client } = await start()
    const { source, body } = aRequestBody({}, ['X-Sum', '42'])
    sendRecorded(client, { method: 'POST', body })
    source.end('some')
    const { peer, streamId } = await server.request()
    await until(() => peer.body(streamId).isEnded, 'the end')
    expect(peer.frames.filter(({ type }) => type === frameType.headers)).toHaveLength(1)
    answer(await server.request())
  })

  it('that is held back and given up does not keep its connection open for ever', async () => {
    const { server, client } = await start({ onRequest: answer }, { connectTimeoutMs: 200 })
    await sendRecorded(client).recorded.over()
    const [peer] = server.peers
    // Out of a timer, the settings are read after the request was made and before it would be sent.
    await sleep(20)
    peer?.send(settingsFrame([[maxConcurrentStreams, 0]]))
    const { call } = sendRecorded(client)
    await sleep(50)
    expect(server.requests).toHaveLength(1)
    call.abort()
    await until(() => peer?.isClosed === true, 'the end of the connection')
    expect((await sendRecorded(client).recorded.over()).text).toBe('ok')
  })

  it('whose body is not taken is upstream.timeout, and is reset', async () => {
    const { server, client } = await start(
      { settings: [[setting.initialWindowSize, 10]] },
      { bodyTimeoutMs: 200 },
    )
    const { source, body } = aRequestBody()
    const { recorded } = sendRecorded(client, { method: 'POST', body })
    source.write(Buffer.alloc(200_000))
    await recorded.over()
    expect(recorded.failure).toEqual({ code: 'upstream.timeout', detail: 'a body that does not move' })
    const { peer, streamId } = await server.request()
    await until(() => peer.reset(streamId) === errorCode.cancel, 'RST_STREAM')
    expect(peer.body(streamId).text).toHaveLength(10)
  })
})

describe('a stream that upstream has not processed', () => {
  const post = (client: UpstreamClient, text: string, ends = true) => {
    const { source, body } = aRequestBody({}, ['X-Sum', '1'])
    const { recorded } = sendRecorded(client, { method: 'POST', body })
    if (ends) source.end(text)
    else source.write(text)
    return { recorded, source }
  }

  it('because it was refused is sent again, whatever its method, with all of its body', async () => {
    let refused = 0
    const { server, client } = await start({
      onRequest({ peer, streamId }) {
        if (refused++ < 2) setTimeout(() => peer.send(rstStreamFrame(streamId, errorCode.refusedStream)), 20)
      },
    })
    const { recorded } = post(client, 'the body')
    const request = await server.request(2)
    await until(() => request.peer.body(request.streamId).isEnded, 'the body')
    expect(request.peer.body(request.streamId).text).toBe('the body')
    answer(request)
    expect((await recorded.over()).text).toBe('ok')
  })

  it('is not sent again for ever', async () => {
    const { server, client } = await start({
      onRequest: ({ peer, streamId }) => peer.send(rstStreamFrame(streamId, errorCode.refusedStream)),
    })
    const { recorded } = sendRecorded(client)
    await recorded.over()
    expect(recorded.failure).toEqual({
      code: 'upstream.unreachable',
      detail: 'a stream reset with REFUSED_STREAM',
    })
    expect(server.requests).toHaveLength(3)
  })

  it('with a body that goes on is sent again from its beginning, and goes on', async () => {
    const { server, client } = await start()
    const { recorded, source } = post(client, 'first ', false)
    const first = await server.request()
    await until(() => first.peer.body(first.streamId).text === 'first ', 'the first piece')
    first.peer.send(rstStreamFrame(first.streamId, errorCode.refusedStream))
    const second = await server.request(1)
    source.end('second')
    await until(() => second.peer.body(second.streamId).isEnded, 'the body')
    expect(second.peer.body(second.streamId).text).toBe('first second')
    answer(second)
    expect((await recorded.over()).text).toBe('ok')
  })

  it('with a large body is given up: what was sent is not there any more', async () => {
    const { server, client } = await start()
    server.peers[0]?.send(windowUpdateFrame(0, 1_000_000))
    const { recorded } = post(client, 'x'.repeat(70_000), false)
    const { peer, streamId } = await server.request()
    await until(() => peer.body(streamId).text.length > 60_000, 'the body')
    peer.send(rstStreamFrame(streamId, errorCode.refusedStream))
    await recorded.over()
    expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
    expect(server.requests).toHaveLength(1)
  })

  it('because the connection goes away (GOAWAY) is sent on another one; those before it end where they are', async () => {
    const { server, client } = await start()
    const first = sendRecorded(client, { target: '/first' }).recorded
    const { peer, streamId } = await server.request()
    const second = post(client, 'second')
    await server.request(1)
    peer.send(goawayFrame(streamId))
    const again = await server.request(2)
    expect(again.peer).not.toBe(peer)
    await until(() => again.peer.body(again.streamId).isEnded, 'the body')
    expect(again.peer.body(again.streamId).text).toBe('second')
    answer(again, 'second answer')
    expect((await second.recorded.over()).text).toBe('second answer')
    const third = sendRecorded(client, { target: '/third' }).recorded
    expect((await server.request(3)).peer).toBe(again.peer)
    answer(await server.request(3))
    await third.over()
    expect(peer.isClosed).toBe(false)
    answer(await server.request(0), 'first answer')
    expect((await first.over()).text).toBe('first answer')
    await until(() => peer.isClosed, 'the end of the old connection')
  })

  it('because the connection goes away with an error is sent on another one; those before it are lost', async () => {
    const { server, client } = await start()
    const first = post(client, 'first').recorded
    const { peer, streamId } = await server.request()
    const second = post(client, 'second').recorded
    await server.request(1)
    peer.send(goawayFrame(streamId, errorCode.enhanceYourCalm))
    const again = await server.request(2)
    await until(() => again.peer.body(again.streamId).isEnded, 'the body')
    answer(again)
    expect((await second.over()).text).toBe('ok')
    await first.over()
    expect(first.failure).toEqual({
      code: 'upstream.unreachable',
      detail: 'a GOAWAY with ENHANCE_YOUR_CALM',
    })
    expect(server.requests).toHaveLength(3)
  })
})

describe('a connection that is lost without an answer', () => {
  it('fails what was sent on it, whatever the method: upstream may have done it', async () => {
    const { server, client } = await start({ onRequest: ({ peer }) => peer.socket.destroy() })
    for (const method of ['GET', 'PUT', 'POST']) {
      const { recorded } = sendRecorded(client, { method })
      await recorded.over()
      expect(recorded.failure).toMatchObject({ code: 'upstream.unreachable' })
    }
    expect(server.requests).toHaveLength(3)
  })

  it('is not tried again once there was an answer', async () => {
    const { server, client } = await start({
      onRequest({ peer, streamId }) {
        peer.send(headersFrame(streamId, ok, 'more'))
        setTimeout(() => peer.socket.destroy(), 20)
      },
    })
    const { recorded } = sendRecorded(client)
    await recorded.over()
    expect(recorded).toMatchObject({ status: 200, failure: { code: 'upstream.unreachable' } })
    expect(server.requests).toHaveLength(1)
  })
})

describe('a connection that says nothing while something is expected of it', () => {
  const pings = (server: Http2RawServer, index = 0): number =>
    server.peers[index]?.frames.filter(({ type }) => type === frameType.ping).length ?? 0

  it('is asked once whether it is there, and lives when it answers', async () => {
    const { server, client } = await start({}, { pingAfterMs: 100, pingTimeoutMs: 5_000 })
    const { recorded } = sendRecorded(client)
    await server.request()
    await until(() => pings(server) === 1, 'a ping')
    await sleep(600)
    // Servers of gRPC end connections on which too many come.
    expect(pings(server)).toBe(1)
    answer(await server.request())
    expect((await recorded.over()).text).toBe('ok')
  })

  it('is asked again in the next silence', async () => {
    const { server, client } = await start({}, { pingAfterMs: 100, pingTimeoutMs: 5_000 })
    const { recorded } = sendRecorded(client)
    const { peer, streamId } = await server.request()
    await until(() => pings(server) === 1, 'a ping')
    peer.send(headersFrame(streamId, ok, 'more'), dataFrame(streamId, 'a', 'more'))
    await until(() => pings(server) === 2, 'another ping')
    peer.send(dataFrame(streamId, 'b'))
    expect((await recorded.over()).text).toBe('ab')
  })

  it('is not asked while nothing is expected', async () => {
    const { server, client } = await start({ onRequest: answer }, { pingAfterMs: 50, pingTimeoutMs: 50 })
    await sendRecorded(client).recorded.over()
    await sleep(400)
    expect(pings(server)).toBe(0)
    expect((await sendRecorded(client).recorded.over()).text).toBe('ok')
    expect(server.peers).toHaveLength(1)
  })

  it('is dead when it does not answer: its requests fail, and no other one is sent to it', async () => {
    const { server, client } = await start({ answersPings: false }, { pingAfterMs: 100, pingTimeoutMs: 200 })
    const lost = [sendRecorded(client).recorded, sendRecorded(client, { method: 'POST' }).recorded]
    for (const recorded of lost) {
      await recorded.over()
      expect(recorded.failure).toEqual({ code: 'upstream.unreachable', detail: 'no answer to a ping' })
    }
    await until(() => server.peers[0]?.isClosed === true, 'the end of the dead connection')
    const next = sendRecorded(client).recorded
    const request = await server.request(2)
    expect(request.peer).toBe(server.peers[1])
    answer(request)
    expect((await next.over()).text).toBe('ok')
  })
})

describe('a response', () => {
  it('that is reset with NO_ERROR is broken off, not ended', async () => {
    const { client } = await start({
      onRequest({ peer, streamId }) {
        peer.send(headersFrame(streamId, ok, 'more'), dataFrame(streamId, 'half', 'more'))
        peer.send(rstStreamFrame(streamId, errorCode.none))
      },
    })
    const { recorded } = sendRecorded(client)
    await recorded.over()
    expect(recorded).toMatchObject({ text: 'half', isEnded: false })
    expect(recorded.failure).toEqual({ code: 'upstream.unreachable', detail: 'a stream reset with NO_ERROR' })
  })

  it('that has ended is whole, although it is reset and read late', async () => {
    const { server, client } = await start({
      onRequest({ peer, streamId }) {
        peer.send(headersFrame(streamId, ok, 'more'), dataFrame(streamId, 'a', 'more'))
      },
    })
    const { recorded, call } = sendRecorded(client)
    recorded.onPiece = () => call.pause()
    await until(() => recorded.text === 'a', 'the first piece')
    const { peer, streamId } = await server.request()
    peer.send(dataFrame(streamId, 'b'), rstStreamFrame(streamId, errorCode.none), goawayFrame(streamId))
    await sleep(100)
    expect(recorded.isOver).toBe(false)
    recorded.onPiece = () => {}
    call.resume()
    await recorded.over()
    expect(recorded).toMatchObject({ text: 'ab', isEnded: true })
  })

  it('that nobody reads holds no other one up', async () => {
    const { server, client } = await start()
    const { recorded: slow, call } = sendRecorded(client)
    slow.onPiece = () => call.pause()
    const first = await server.request()
    first.peer.send(headersFrame(first.streamId, ok, 'more'))
    // As much as one stream may hold.
    for (let count = 0; count < 16; count += 1)
      first.peer.send(dataFrame(first.streamId, Buffer.alloc(16_384), 'more'))
    await until(() => slow.bytes > 0, 'the first piece')
    for (let count = 1; count <= 20; count += 1) {
      const { recorded } = sendRecorded(client)
      answer(await server.request(count), 'x'.repeat(10_000))
      expect((await recorded.over()).bytes).toBe(10_000)
    }
    expect(server.peers).toHaveLength(1)
    expect(slow.bytes).toBeLessThan(16 * 16_384)
    slow.onPiece = () => {}
    call.resume()
    await until(() => slow.bytes === 16 * 16_384, 'the rest')
    call.abort()
  })

  it.each<[string, (request: RawRequest) => Buffer[]]>([
    [
      'with a length that is not that of its body',
      ({ streamId }) => [
        headersFrame(streamId, [...ok, ['content-length', '9']], 'more'),
        dataFrame(streamId, 'short'),
      ],
    ],
    [
      'with a body that is longer than it says',
      ({ streamId }) => [
        headersFrame(streamId, [...ok, ['content-length', '2']], 'more'),
        dataFrame(streamId, 'longer'),
      ],
    ],
    ['without a status', ({ streamId }) => [headersFrame(streamId, [['x-name', 'a']])]],
    ['with a status that is none', ({ streamId }) => [headersFrame(streamId, [[':status', '2xx']])]],
    ['with a status past 599', ({ streamId }) => [headersFrame(streamId, [[':status', '600']])]],
    ['with two of them', ({ streamId }) => [headersFrame(streamId, [...ok, [':status', '404']])]],
    ['with one behind a field', ({ streamId }) => [headersFrame(streamId, [['x-name', 'a'], ...ok])]],
    ['with another pseudo-header field', ({ streamId }) => [headersFrame(streamId, [...ok, [':path', '/']])]],
    [
      'with a field about the connection',
      ({ streamId }) => [headersFrame(streamId, [...ok, ['connection', 'close']])],
    ],
    [
      'with a transfer coding',
      ({ streamId }) => [headersFrame(streamId, [...ok, ['transfer-encoding', 'chunked']])],
    ],
    ['that switches protocols', ({ streamId }) => [headersFrame(streamId, [[':status', '101']], 'more')]],
    ['that is only an interim one', ({ streamId }) => [headersFrame(streamId, [[':status', '103']])]],
    ['with a body before its head', ({ streamId }) => [dataFrame(streamId, 'body')]],
    [
      'with interim responses without end',
      ({ streamId }) =>
        Array.from({ length: 40 }, () => headersFrame(streamId, [[':status', '103']], 'more')),
    ],
    [
      'with a header section that is too large',
      ({ streamId }) => {
        const block = encodeFields([
          ...ok,
          ...Array.from({ length: 9 }, (): Field => ['x-long', 'x'.repeat(8_000)]),
        ])
        const pieces = Array.from({ length: Math.ceil(block.length / 16_000) }, (_, index) =>
          block.subarray(index * 16_000, (index + 1) * 16_000),
        )
        return pieces.map((piece, index) =>
          frame(
            index === 0 ? frameType.headers : frameType.continuation,
            index === pieces.length - 1 ? flag.endHeaders : 0,
            streamId,
            piece,
          ),
        )
      },
    ],
    [
      'with trailers that do not end it',
      ({ streamId }) => [
        headersFrame(streamId, ok, 'more'),
        dataFrame(streamId, 'body', 'more'),
        headersFrame(streamId, [['x-sum', '1']], 'more'),
      ],
    ],
    ['that comes on a stream that nobody opened', ({ streamId }) => [headersFrame(streamId + 20, ok)]],
    [
      'that is pushed',
      ({ streamId }) => {
        const payload = Buffer.concat([Buffer.of(0, 0, 0, 2), encodeFields([[':method', 'GET']])])
        return [frame(frameType.pushPromise, flag.endHeaders, streamId, payload)]
      },
    ],
    [
      'with a frame larger than agreed',
      ({ streamId }) => [headersFrame(streamId, ok, 'more'), dataFrame(streamId, Buffer.alloc(20_000))],
    ],
  ])('%s is upstream.malformed', async (_, frames) => {
    const { client } = await start({
      onRequest: request => request.peer.send(...frames(request)),
    })
    const { recorded } = sendRecorded(client, { method: 'POST' })
    await recorded.over()
    expect(recorded.failure).toMatchObject({ code: 'upstream.malformed' })
    expect(recorded.isEnded).toBe(false)
  })

  it.each([
    ['INTERNAL_ERROR', errorCode.internal, 'upstream.unreachable'],
    ['CANCEL', errorCode.cancel, 'upstream.unreachable'],
    ['PROTOCOL_ERROR', errorCode.protocol, 'upstream.malformed'],
    ['code 99', 99, 'upstream.unreachable'],
  ])('that is a reset with %s is said as such', async (name, code, expected) => {
    const { server, client } = await start({
      onRequest: ({ peer, streamId }) => peer.send(rstStreamFrame(streamId, code)),
    })
    const { recorded } = sendRecorded(client)
    await recorded.over()
    expect(recorded.failure).toEqual({ code: expected, detail: `a stream reset with ${name}` })
    expect(server.requests).toHaveLength(1)
  })

  it('leaves out fields that are not well formed, which Node does not show', async () => {
    const { client } = await start({
      onRequest: ({ peer, streamId }) =>
        peer.send(headersFrame(streamId, [...ok, ['x-bad', 'a\r\nset-cookie: b'], ['x-good', 'c']])),
    })
    const { recorded } = sendRecorded(client)
    await recorded.over()
    expect(recorded.fields).toEqual(['x-good', 'c'])
  })
})
