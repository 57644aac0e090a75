import { once } from 'node:events'
import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import { request as requestHttps } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { canMakeCertificates, createAuthority, withCertificates } from '../support/certificate.ts'
import { type HopOptions, type RunningHop, startHop } from '../support/start-hop.ts'
import { writeTlsFiles } from '../support/tls.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { writeUntilStuck } from '../support/write-until-stuck.ts'

/**
 * Event streams (server-sent events), long polling and exchanges that go both ways at once, over every protocol that
 * callers speak. Nothing here waits for a time to pass where it can wait for what must happen.
 */

/** A request of a caller, and what has come of its answer. */
interface Call {
  /** What has come of the body. */
  text(): string
  /** Resolves when the head of the answer is there, though nothing of the body may be. */
  readonly head: Promise<{ readonly status: number; readonly type: string | undefined }>
  /** Resolves when nothing more comes: whether that was the end of the answer. */
  readonly over: Promise<boolean>
  readonly body: Writable
  pause(): void
  resume(): void
  /** Goes away. */
  leave(): void
}

type Start = (
  url: string,
  options: { readonly ca: string | undefined; readonly method: string; readonly fields: Fields },
) => Call
type Fields = Readonly<Record<string, string>>

const http1: Start = (url, { ca, method, fields }) => {
  const request = ca === undefined ? requestHttp : requestHttps
  const outgoing = request(url, { method, headers: fields, agent: false, ...(ca !== undefined && { ca }) })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject)
  })
  answered.catch(() => {})
  outgoing.on('error', () => {})
  if (method !== 'GET') outgoing.flushHeaders()
  return callOf(
    outgoing,
    answered.then(({ statusCode = 0, headers }) => ({ status: statusCode, type: headers['content-type'] })),
    answered,
    async () => (await answered).complete,
    () => outgoing.destroy(),
  )
}

const http2: Start = (url, { ca, method, fields }) => {
  const { pathname } = new URL(url)
  const session = connect(url, ca === undefined ? {} : { ca })
  session.on('error', () => {})
  const stream = session.request({ ':path': pathname, ':method': method, ...fields }, { endStream: false })
  stream.on('error', () => {})
  let hasEnded = false
  stream.once('end', () => {
    hasEnded = true
  })
  const head = once(stream, 'response').then(([headers]) => ({
    status: Number(headers[':status']),
    type: headers['content-type'],
  }))
  return callOf(
    stream,
    head,
    Promise.resolve(stream),
    async () => hasEnded && stream.rstCode === 0,
    () => session.destroy(),
  )
}

function callOf(
  body: Writable,
  head: Call['head'],
  answered: Promise<Readable>,
  isWhole: () => Promise<boolean>,
  leave: () => void,
): Call {
  let text = ''
  let source: Readable | undefined
  head.catch(() => {})
  const over = answered.then(
    async answer => {
      source = answer
      answer.on('error', () => {})
      answer.on('data', chunk => {
        text += chunk
      })
      if (!answer.closed) await new Promise(resolve => answer.once('close', resolve))
      return await isWhole()
    },
    () => false,
  )
  return {
    text: () => text,
    head,
    over,
    body,
    pause: () => source?.pause(),
    resume: () => source?.resume(),
    leave,
  }
}

/** One answer of the service, in the hands of the test. */
interface Answer {
  readonly received: IncomingMessage
  readonly response: ServerResponse
  readonly isClosed: () => boolean
}

interface Service {
  readonly url: string
  readonly answers: readonly Answer[]
  close(): Promise<void>
}

/** A service that lets the test answer. */
async function startService(protocol: 'http1' | 'h2'): Promise<Service> {
  const answers: Answer[] = []
  const onRequest = (received: IncomingMessage, response: ServerResponse): void => {
    let isClosed = false
    received.on('error', () => {})
    response
      .on('error', () => {})
      .on('close', () => {
        isClosed = true
      })
    answers.push({ received, response, isClosed: () => isClosed })
  }
  const server =
    protocol === 'http1'
      ? createServer(onRequest)
      : createHttp2Server((request, response) =>
          onRequest(request as unknown as IncomingMessage, response as unknown as ServerResponse),
        )
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answers,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

const routes = "\n  - { path: '/**', audience: orders-api, scope: orders:read, methods: [GET, POST] }"
const patient = 'timeouts: { body_idle: 20s, upstream_headers: 20s, drain: 100ms }'

interface Front {
  readonly name: string
  readonly start: Start
  readonly isTls: boolean
  readonly upstream: 'http1' | 'h2'
}

const fronts: readonly Front[] = [
  { name: 'HTTP/1.1', start: http1, isTls: false, upstream: 'http1' },
  { name: 'HTTP/2', start: http2, isTls: false, upstream: 'http1' },
  { name: 'HTTP/1.1 before an upstream with HTTP/2', start: http1, isTls: false, upstream: 'h2' },
  { name: 'HTTP/2 on both sides', start: http2, isTls: false, upstream: 'h2' },
  { name: 'HTTP/1.1 with TLS', start: http1, isTls: true, upstream: 'http1' },
  { name: 'HTTP/2 with TLS', start: http2, isTls: true, upstream: 'http1' },
]

const authority = canMakeCertificates ? createAuthority() : undefined
let unused: Upstream

beforeAll(async () => {
  unused = await startUpstream()
})
afterAll(() => unused.close())

describe.each(fronts)('over $name', ({ start, isTls, upstream }) => {
  const running: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.close()
  })
  const maybe = isTls && !canMakeCertificates ? it.skip : it
  const note = isTls ? withCertificates : ''

  interface Gate {
    readonly hop: RunningHop
    readonly service: Service
    /** Sends a request, which the service has got when this resolves. */
    call(path?: string, fields?: Fields): Promise<readonly [Call, Answer]>
    /** The same with a body that is still to be written. */
    post(path?: string): Promise<readonly [Call, Answer]>
  }

  async function startGate(more = patient): Promise<Gate> {
    const service = await startService(upstream)
    const options: HopOptions = {
      routes,
      more,
      upstream: {
        ...unused,
        url: upstream === 'h2' ? `{ url: '${service.url}', protocol: h2 }` : service.url,
      },
    }
    if (authority !== undefined && isTls) {
      const { cert, key } = writeTlsFiles(authority.issue({ names: ['IP:127.0.0.1'] }))
      Object.assign(options, { listen: `{ address: '127.0.0.1:0', tls: { cert: ${cert}, key: ${key} } }` })
    }
    const hop = await startHop(options)
    running.push(service, hop)
    const authorization = `Bearer ${await hop.issuer.sign({ scope: 'orders:read' })}`
    const send = async (method: string, path: string, fields: Fields): Promise<readonly [Call, Answer]> => {
      const index = service.answers.length
      const call = start(`${hop.url}${path}`, {
        ca: isTls ? authority?.cert : undefined,
        method,
        fields: { authorization, ...fields },
      })
      running.push({ close: async () => call.leave() })
      if (method === 'GET') call.body.end()
      await until(() => service.answers.length > index, 'the request is at the service')
      return [call, service.answers[index] as Answer]
    }
    return {
      hop,
      service,
      call: (path = '/events', fields = {}) => send('GET', path, fields),
      post: (path = '/talk') => send('POST', path, {}),
    }
  }

  /** Begins an event stream. @returns what sends one event */
  function beginStream({ response }: Answer): (data: string) => void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.flushHeaders()
    return data => response.write(`data: ${data}\n\n`)
  }

  describe('an event stream', () => {
    maybe(
      `has its head before there is an event, and each event before there is another${note}`,
      async () => {
        const { hop, call } = await startGate()
        const [stream, answer] = await call('/events', { 'last-event-id': '41', accept: 'text/event-stream' })
        expect(answer.received.headers['last-event-id']).toBe('41')
        const send = beginStream(answer)
        expect(await stream.head).toEqual({ status: 200, type: 'text/event-stream' })
        let expected = ''
        for (let count = 0; count < 50; count++) {
          const data = `${count} ${'x'.repeat(count * 100)}`
          send(data)
          expected += `data: ${data}\n\n`
          await until(() => stream.text() === expected, `event ${count}, and there is none behind it`)
        }
        answer.response.end()
        expect(await stream.over).toBe(true)
        expect(await hop.event()).toMatchObject({
          status: 200,
          delivery: { complete: true, bytes_out: expected.length },
        })
      },
    )

    maybe(`goes on while comments come, and is broken off when nothing comes${note}`, async () => {
      const { hop, call } = await startGate('timeouts: { body_idle: 600ms, drain: 100ms }')
      const [stream, answer] = await call()
      beginStream(answer)('first')
      let expected = 'data: first\n\n'
      for (const startedMs = performance.now(); performance.now() - startedMs < 900; ) {
        answer.response.write(':\n\n')
        expected += ':\n\n'
        await until(() => stream.text() === expected, 'the comment')
      }
      expect(answer.isClosed()).toBe(false)
      // Half a stream does not look like a whole one.
      expect(await stream.over).toBe(false)
      await until(answer.isClosed, 'the service is told')
      expect(await hop.event()).toMatchObject({ status: 200, delivery: { complete: false } })
    })

    maybe(`ends at the service when the caller goes, and others go on${note}`, async () => {
      const { hop, call } = await startGate()
      const [stream, answer] = await call()
      const [other, otherAnswer] = await call('/others')
      const [send, sendOther] = [beginStream(answer), beginStream(otherAnswer)]
      send('one')
      await until(() => stream.text() !== '', 'an event')
      stream.leave()
      await until(answer.isClosed, 'the service is told')
      expect(await hop.event()).toMatchObject({ status: 200, delivery: { complete: false } })
      sendOther('still here')
      await until(() => other.text() !== '', 'an event of the other one')
    })

    maybe(`that is not read is held back, and loses nothing${note}`, async () => {
      const { call } = await startGate()
      const [stream, answer] = await call()
      beginStream(answer)('first')
      await until(() => stream.text() !== '', 'the first event')
      stream.pause()
      const { bytes, isStuck } = await writeUntilStuck(answer.response, 'x'.repeat(65_536))
      expect(isStuck).toBe(true)
      expect(bytes).toBeLessThan(32 * 1024 * 1024)
      stream.resume()
      answer.response.end()
      expect(await stream.over).toBe(true)
      expect(stream.text().length).toBe('data: first\n\n'.length + bytes)
    })

    maybe(`is left to its end within the grace when the sidecar stops${note}`, async () => {
      const { hop, call } = await startGate('timeouts: { drain: 20s }')
      const [stream, answer] = await call()
      const send = beginStream(answer)
      send('before')
      await until(() => stream.text() !== '', 'an event')
      const stopped = hop.sidecar.close()
      send('after')
      await until(() => stream.text().endsWith('data: after\n\n'), 'another one')
      answer.response.end()
      expect(await stream.over).toBe(true)
      await stopped
    })

    maybe(`is broken off with the grace, and does not look whole${note}`, async () => {
      const { hop, call } = await startGate('timeouts: { drain: 200ms }')
      const [stream, answer] = await call()
      beginStream(answer)('before')
      await until(() => stream.text() !== '', 'an event')
      await hop.sidecar.close()
      expect(await stream.over).toBe(false)
      await until(answer.isClosed, 'the service is told')
      expect(await hop.event()).toMatchObject({ delivery: { complete: false } })
    })
  })

  describe('a long poll', () => {
    maybe(`is answered when there is something, though bodies may not rest so long${note}`, async () => {
      const { call } = await startGate('timeouts: { body_idle: 100ms, upstream_headers: 20s }')
      for (const news of ['one', 'two']) {
        const [poll, answer] = await call('/poll')
        await new Promise(resolve => setTimeout(resolve, 300))
        answer.response.end(news)
        expect(await poll.head).toMatchObject({ status: 200 })
        expect(await poll.over).toBe(true)
        expect(poll.text()).toBe(news)
      }
    })

    maybe(`that is never answered is answered 504 by the limit for that${note}`, async () => {
      const { hop, call } = await startGate('timeouts: { upstream_headers: 300ms }')
      const [poll, answer] = await call('/poll')
      expect(await poll.head).toMatchObject({ status: 504 })
      await until(answer.isClosed, 'the service is told')
      expect(await hop.event()).toMatchObject({ refusal: 'upstream.timeout' })
    })

    maybe(`ends at the service when the caller gives up${note}`, async () => {
      const { hop, call } = await startGate()
      const [poll, answer] = await call('/poll')
      poll.leave()
      await until(answer.isClosed, 'the service is told')
      expect(await hop.event()).toMatchObject({ refusal: 'client.closed' })
      const [next, nextAnswer] = await call('/poll')
      nextAnswer.response.end('news')
      expect(await next.over).toBe(true)
    })
  })

  describe('an exchange both ways', () => {
    maybe(`goes piece by piece: each is answered before the next is sent${note}`, async () => {
      const { post } = await startGate()
      const [talk, { received, response }] = await post()
      response.writeHead(200, { 'content-type': 'text/plain' })
      received.on('data', chunk => response.write(`heard ${chunk}\n`))
      received.on('end', () => response.end('bye'))
      let expected = ''
      for (let count = 0; count < 20; count++) {
        talk.body.write(`piece ${count}`)
        expected += `heard piece ${count}\n`
        await until(() => talk.text() === expected, `the answer to piece ${count}`)
      }
      talk.body.end()
      expect(await talk.over).toBe(true)
      expect(talk.text()).toBe(`${expected}bye`)
    })
  })
})
