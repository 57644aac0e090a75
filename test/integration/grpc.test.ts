import { connect as connectHttp2 } from 'node:http2'
import {
  type Client,
  status as grpcStatus,
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type StatusObject,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  asBytes,
  callGet,
  createGrpcClient,
  type GrpcServer,
  metadataOf,
  startGrpcServer,
} from '../support/grpc-service.ts'
import { type HopOptions, type RunningHop, startHop } from '../support/start-hop.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/** A gRPC client, the hop, and a gRPC server, each as it is. */

type Unary = ServerUnaryCall<Buffer, Buffer>

const routes = `
  - { path: /shop.Orders/Put, audience: orders-api, scope: orders:write }
  - { path: /shop.Orders/**, audience: orders-api, scope: orders:read }
  - { path: /slow.Orders/**, audience: orders-api, scope: orders:read, timeout: 200ms }
  - { path: /strong.Orders/**, audience: orders-api, scope: orders:read, require: { acr: mfa, max_age: 5m } }
  - { path: /public.Orders/**, public: true }
`

let unused: Upstream
/** What the server does with each method; tests replace what they are about. */
let answers: Partial<{
  get: (call: Unary, done: sendUnaryData<Buffer>) => void
  list: (call: ServerWritableStream<Buffer, Buffer>) => void
  put: (call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) => void
  talk: (call: ServerDuplexStream<Buffer, Buffer>) => void
}> = {}
const get = (call: Unary, done: sendUnaryData<Buffer>): void => {
  if (answers.get === undefined) done(null, call.request)
  else answers.get(call, done)
}
const implementation: UntypedServiceImplementation = {
  get,
  openGet: get,
  slowGet: get,
  list: (call: ServerWritableStream<Buffer, Buffer>) => answers.list?.(call),
  put: (call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) => answers.put?.(call, done),
  talk: (call: ServerDuplexStream<Buffer, Buffer>) => answers.talk?.(call),
}

let server: GrpcServer
let hop: RunningHop
let client: Client
let presented: string

const startGate = (port: number, options: HopOptions = {}): Promise<RunningHop> =>
  startHop({
    routes,
    upstream: { ...unused, url: `{ url: 'http://127.0.0.1:${port}', protocol: h2 }` },
    ...options,
  })

beforeAll(async () => {
  unused = await startUpstream()
  server = await startGrpcServer(implementation)
  hop = await startGate(server.port)
  client = createGrpcClient(hop.port)
  presented = await hop.issuer.sign({ scope: 'orders:read orders:write' })
})

afterAll(async () => {
  client.close()
  await hop.close()
  server.close()
  await unused.close()
})

afterEach(() => {
  answers = {}
})

const authorized = (more: Readonly<Record<string, string | Buffer>> = {}): Metadata =>
  metadataOf({ authorization: `Bearer ${presented}`, ...more })
const soon = (ms: number): Date => new Date(Date.now() + ms)

describe('a unary call', () => {
  it('brings message and metadata there, and message, metadata and trailers back', async () => {
    let seen: Metadata | undefined
    answers.get = (call, done) => {
      seen = call.metadata
      call.sendMetadata(metadataOf({ 'x-first': 'one', 'x-bytes-bin': Buffer.of(0, 255, 10, 13) }))
      done(null, Buffer.from(`got ${call.request}`), metadataOf({ 'x-last': 'two' }))
    }
    const metadata = authorized({ 'x-tenant': 'acme', 'x-in-bin': Buffer.of(13, 10, 0) })
    metadata.add('x-many', 'a')
    metadata.add('x-many', 'b')
    const outcome = await callGet(client, Buffer.from('17'), metadata)
    expect(outcome.error).toBeUndefined()
    expect(String(outcome.message)).toBe('got 17')
    expect(outcome.status).toMatchObject({ code: grpcStatus.OK })
    expect(outcome.headers?.get('x-first')).toEqual(['one'])
    expect(outcome.headers?.get('x-bytes-bin')).toEqual([Buffer.of(0, 255, 10, 13)])
    expect(outcome.status?.metadata.get('x-last')).toEqual(['two'])
    expect(seen?.get('x-tenant')).toEqual(['acme'])
    expect(seen?.get('x-in-bin')).toEqual([Buffer.of(13, 10, 0)])
    expect(seen?.get('x-many').join()).toMatch(/^a, ?b$/)
  })

  it('carries the issued token, exchanged once for many calls, and nothing of the presented one', async () => {
    const tokens = new Set<string>()
    answers.get = (call, done) => {
      for (const value of call.metadata.get('authorization')) tokens.add(String(value))
      expect(JSON.stringify(call.metadata.toHttp2Headers())).not.toContain(presented.split('.')[2])
      done(null, call.request)
    }
    const before = hop.tokenLines.length
    const fresh = await hop.issuer.sign({ scope: 'orders:read', jti: 'once' })
    const metadata = metadataOf({ authorization: `Bearer ${fresh}` })
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => callGet(client, Buffer.from(String(index)), metadata)),
    )
    expect(outcomes.map(({ message }) => String(message))).toEqual(
      Array.from({ length: 20 }, (_, i) => String(i)),
    )
    expect(hop.tokenLines.length - before).toBe(1)
    expect(tokens.size).toBe(1)
    const [token = ''] = tokens
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    expect(claims).toMatchObject({ aud: 'orders-api', sub: 'alice', act: { sub: 'orders' } })
  })

  it('carries no token on a public route', async () => {
    let seen: unknown[] | undefined
    answers.get = (call, done) => {
      seen = call.metadata.get('authorization')
      done(null, call.request)
    }
    const { error } = await callGet(client, Buffer.of(), authorized(), {}, '/public.Orders/Get')
    expect(error).toBeUndefined()
    expect(seen).toEqual([])
  })

  it('may be of megabytes, both ways', async () => {
    const message = Buffer.alloc(8 * 1_024 * 1_024)
    for (let index = 0; index < message.length; index += 4_096) message.writeUInt32BE(index, index)
    const { message: answer, error } = await callGet(client, message, authorized())
    expect(error).toBeUndefined()
    expect(answer?.equals(message)).toBe(true)
  })
})

describe('a stream', () => {
  it('of answers comes in order and to its end', async () => {
    answers.list = call => {
      for (let index = 0; index < 2_000; index += 1) call.write(Buffer.from(`order ${index}`))
      call.end(metadataOf({ 'x-count': '2000' }))
    }
    const received: string[] = []
    const status = await new Promise<StatusObject>((resolve, reject) => {
      client
        .makeServerStreamRequest<Buffer, Buffer>(
          '/shop.Orders/List',
          asBytes,
          asBytes,
          Buffer.of(),
          authorized(),
        )
        .on('data', (message: Buffer) => received.push(String(message)))
        .on('error', reject)
        .on('status', resolve)
    })
    expect(received).toEqual(Array.from({ length: 2_000 }, (_, index) => `order ${index}`))
    expect(status.code).toBe(grpcStatus.OK)
    expect(status.metadata.get('x-count')).toEqual(['2000'])
  })

  it('of questions comes in order, and is answered at its end', async () => {
    answers.put = (call, done) => {
      const parts: string[] = []
      call.on('data', (message: Buffer) => parts.push(String(message)))
      call.on('end', () => done(null, Buffer.from(parts.join())))
    }
    const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
      const call = client.makeClientStreamRequest<Buffer, Buffer>(
        '/shop.Orders/Put',
        asBytes,
        asBytes,
        authorized(),
        (error, message) => (error === null ? resolve(message) : reject(error)),
      )
      for (const part of ['a', 'b', 'c']) call.write(Buffer.from(part))
      call.end()
    })
    expect(String(answer)).toBe('a,b,c')
  })

  it('of both goes back and forth: nothing waits for more', async () => {
    answers.talk = call => {
      call.on('data', (message: Buffer) => call.write(Buffer.from(`re: ${message}`)))
      call.on('end', () => call.end())
    }
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(
      '/shop.Orders/Talk',
      asBytes,
      asBytes,
      authorized(),
    )
    const heard: string[] = []
    await new Promise<void>((resolve, reject) => {
      call.on('data', (message: Buffer) => {
        heard.push(String(message))
        if (heard.length < 50) call.write(Buffer.from(String(heard.length)))
        else call.end()
      })
      call.on('error', reject)
      call.on('status', () => resolve())
      call.write(Buffer.from('0'))
    })
    expect(heard).toEqual(Array.from({ length: 50 }, (_, index) => `re: ${index}`))
  })

  it('is held back for a reader that is slow, with little in between', async () => {
    const message = Buffer.alloc(64 * 1_024)
    const total = 1_000
    let written = 0
    answers.list = call => {
      const more = (): void => {
        while (written < total) {
          written += 1
          if (!call.write(message)) return void call.once('drain', more)
        }
        call.end()
      }
      more()
    }
    const call = client.makeServerStreamRequest<Buffer, Buffer>(
      '/shop.Orders/List',
      asBytes,
      asBytes,
      Buffer.of(),
      authorized(),
    )
    let bytes = 0
    call.once('data', (first: Buffer) => {
      bytes += first.length
      call.pause()
    })
    await until(() => bytes > 0, 'the first message')
    let before = -1
    while (before !== written) {
      before = written
      await new Promise(resolve => setTimeout(resolve, 200))
    }
    expect(written).toBeLessThan(total / 2)
    const ended = new Promise((resolve, reject) => {
      call.on('status', resolve)
      call.on('error', reject)
    })
    call.on('data', (next: Buffer) => {
      bytes += next.length
    })
    call.resume()
    await ended
    expect(bytes).toBe(total * message.length)
  })
})

describe('an error of the service', () => {
  it('arrives with code, details and trailers', async () => {
    answers.get = (_, done) =>
      done({
        code: grpcStatus.NOT_FOUND,
        details: 'keine Bestellung № 17: 100 %',
        metadata: metadataOf({ 'grpc-status-details-bin': Buffer.from('details'), 'x-why': 'gone' }),
      })
    const { error } = await callGet(client, Buffer.of(), authorized())
    expect(error).toMatchObject({ code: grpcStatus.NOT_FOUND, details: 'keine Bestellung № 17: 100 %' })
    expect(error?.metadata.get('grpc-status-details-bin')).toEqual([Buffer.from('details')])
    expect(error?.metadata.get('x-why')).toEqual(['gone'])
  })

  it('arrives behind the messages that were sent before it', async () => {
    answers.list = call => {
      call.write(Buffer.from('one'))
      call.write(Buffer.from('two'))
      call.emit('error', { code: grpcStatus.DATA_LOSS, details: 'no more' })
    }
    const received: string[] = []
    const error = await new Promise<ServiceError>(resolve => {
      client
        .makeServerStreamRequest<Buffer, Buffer>(
          '/shop.Orders/List',
          asBytes,
          asBytes,
          Buffer.of(),
          authorized(),
        )
        .on('data', (message: Buffer) => received.push(String(message)))
        .on('error', resolve)
    })
    expect(received).toEqual(['one', 'two'])
    expect(error).toMatchObject({ code: grpcStatus.DATA_LOSS, details: 'no more' })
  })
})

describe('a call that is refused', () => {
  it('says so in gRPC, and does not reach the service', async () => {
    let calls = 0
    answers.get = (call, done) => {
      calls += 1
      done(null, call.request)
    }
    answers.put = (_, done) => {
      calls += 1
      done(null, Buffer.of())
    }
    const readOnly = await hop.issuer.sign({ scope: 'orders:read' })
    const call = (metadata: Metadata, path?: string) => callGet(client, Buffer.of(), metadata, {}, path)
    const outcomes = await Promise.all([
      call(new Metadata()),
      call(metadataOf({ authorization: 'Bearer nonsense' })),
      call(metadataOf({ authorization: `Bearer ${readOnly}` }), '/shop.Orders/Put'),
      call(authorized(), '/other.Service/Get'),
    ])
    expect(outcomes.map(({ error }) => error?.code)).toEqual([
      grpcStatus.UNAUTHENTICATED,
      grpcStatus.UNAUTHENTICATED,
      grpcStatus.PERMISSION_DENIED,
      grpcStatus.UNIMPLEMENTED,
    ])
    expect(calls).toBe(0)
    expect((await callGet(client, Buffer.from('yes'), authorized())).error).toBeUndefined()
    expect(calls).toBe(1)
  })

  it('because the login is too weak says UNAUTHENTICATED, and what login is wanted', async () => {
    const { error } = await callGet(client, Buffer.of(), authorized(), {}, '/strong.Orders/Get')
    expect(error).toMatchObject({ code: grpcStatus.UNAUTHENTICATED })
    expect(error?.metadata.get('www-authenticate')).toEqual([
      'Bearer realm="orders", error="insufficient_user_authentication", acr_values="mfa", max_age="300"',
    ])
  })

  it('because the service is not there says UNAVAILABLE', async () => {
    const gone = await startGrpcServer(implementation)
    gone.close()
    const gate = await startGate(gone.port)
    const lonely = createGrpcClient(gate.port)
    const token = await gate.issuer.sign({ scope: 'orders:read' })
    const { error } = await callGet(lonely, Buffer.of(), metadataOf({ authorization: `Bearer ${token}` }))
    expect(error).toMatchObject({ code: grpcStatus.UNAVAILABLE })
    expect(await gate.event()).toMatchObject({ refusal: 'upstream.unreachable' })
    lonely.close()
    await gate.close()
  })
})

describe('a deadline', () => {
  /** Resolves when the service has been told that a call is cancelled. */
  const hangingCall = (): { readonly cancelled: Promise<void>; deadline: unknown } => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const seen: { readonly cancelled: Promise<void>; deadline: unknown } = {
      cancelled: promise,
      deadline: undefined,
    }
    answers.get = call => {
      seen.deadline = call.getDeadline()
      call.on('cancelled', () => resolve())
    }
    return seen
  }

  it('of the caller is known to the service, and cancels its work when it passes', async () => {
    const seen = hangingCall()
    const { error } = await callGet(client, Buffer.of(), authorized(), { deadline: soon(400) })
    expect(error).toMatchObject({ code: grpcStatus.DEADLINE_EXCEEDED })
    await seen.cancelled
    const leftMs = Number(seen.deadline) - Date.now()
    expect(leftMs).toBeLessThan(500)
    expect(leftMs).toBeGreaterThan(-20_000)
  })

  it('of a caller that does not cancel by itself is kept by the hop', async () => {
    const seen = hangingCall()
    const before = hop.lines.length
    const session = connectHttp2(hop.url)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/shop.Orders/Get',
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${presented}`,
      'grpc-timeout': '150m',
    })
    const answer = new Promise<Record<string, unknown>>(resolve => stream.once('response', resolve))
    stream.resume()
    stream.end(Buffer.of(0, 0, 0, 0, 0))
    expect(await answer).toMatchObject({
      ':status': 200,
      'grpc-status': String(grpcStatus.DEADLINE_EXCEEDED),
    })
    await seen.cancelled
    expect(await hop.event(before)).toMatchObject({
      refusal: 'upstream.timeout',
      detail: "the caller's grpc-timeout has passed",
    })
    session.close()
  })

  it('of the route is kept for every call', async () => {
    const seen = hangingCall()
    const before = hop.lines.length
    const { error } = await callGet(client, Buffer.of(), authorized(), {}, '/slow.Orders/Get')
    expect(error).toMatchObject({ code: grpcStatus.DEADLINE_EXCEEDED, details: 'Upstream took too long' })
    await seen.cancelled
    expect(await hop.event(before)).toMatchObject({
      refusal: 'upstream.timeout',
      detail: "the route's timeout has passed",
    })
  })

  it('that is not over changes nothing', async () => {
    const { error, message } = await callGet(client, Buffer.from('ok'), authorized(), {
      deadline: soon(20_000),
    })
    expect(error).toBeUndefined()
    expect(String(message)).toBe('ok')
  })
})

describe('a call that its caller cancels', () => {
  it('is cancelled at the service at once, before its answer and within it', async () => {
    for (const withAnswer of [false, true]) {
      let isCancelled = false
      let isThere = false
      answers.talk = call => {
        isThere = true
        if (withAnswer) call.write(Buffer.from('first'))
        call.on('cancelled', () => {
          isCancelled = true
        })
      }
      const call = client.makeBidiStreamRequest<Buffer, Buffer>(
        '/shop.Orders/Talk',
        asBytes,
        asBytes,
        authorized(),
      )
      let heard = 0
      call.on('data', () => {
        heard += 1
      })
      const ended = new Promise<ServiceError>(resolve => call.on('error', resolve))
      call.write(Buffer.from('hello'))
      await until(() => isThere && (!withAnswer || heard > 0), 'the call')
      expect(isCancelled).toBe(false)
      call.cancel()
      expect((await ended).code).toBe(grpcStatus.CANCELLED)
      await until(() => isCancelled, 'the service to be told')
    }
  })
})

describe('a service that takes few calls at a time', () => {
  it('gets no more on a connection, and all on several', async () => {
    const limited = await startGrpcServer(implementation, { 'grpc.max_concurrent_streams': 4 })
    const gate = await startGate(limited.port)
    const caller = createGrpcClient(gate.port)
    const metadata = metadataOf({
      authorization: `Bearer ${await gate.issuer.sign({ scope: 'orders:read' })}`,
    })
    const perPeer = new Map<string, number>()
    let most = 0
    answers.get = (call, done) => {
      const peer = call.getPeer()
      const now = (perPeer.get(peer) ?? 0) + 1
      perPeer.set(peer, now)
      most = Math.max(most, now)
      setTimeout(() => {
        perPeer.set(peer, (perPeer.get(peer) ?? 0) - 1)
        done(null, call.request)
      }, 50)
    }
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, index) => callGet(caller, Buffer.from(String(index)), metadata)),
    )
    expect(outcomes.map(({ message }) => String(message))).toEqual(
      Array.from({ length: 60 }, (_, i) => String(i)),
    )
    expect(perPeer.size).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(4)
    caller.close()
    await gate.close()
    limited.close()
  })
})

describe('a service that ends its connections now and then', () => {
  it('loses no call: GOAWAY is a reason to open another one', async () => {
    const restless = await startGrpcServer(implementation, {
      'grpc.max_connection_age_ms': 150,
      'grpc.max_connection_age_grace_ms': 5_000,
    })
    const gate = await startGate(restless.port)
    const caller = createGrpcClient(gate.port)
    const metadata = metadataOf({
      authorization: `Bearer ${await gate.issuer.sign({ scope: 'orders:read' })}`,
    })
    const peers = new Set<string>()
    answers.get = (call, done) => {
      peers.add(call.getPeer())
      setTimeout(() => done(null, call.request), Math.random() * 10)
    }
    const errors: unknown[] = []
    const endMs = Date.now() + 2_000
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (Date.now() < endMs) {
          const { error } = await callGet(caller, Buffer.from('x'), metadata)
          if (error !== undefined) errors.push(error.message)
        }
      }),
    )
    expect(errors).toEqual([])
    expect(peers.size).toBeGreaterThan(2)
    caller.close()
    await gate.close()
    restless.close()
  })
})
