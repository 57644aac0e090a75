import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { WebSocket } from 'ws'
import { echoService } from './echo-service.ts'
import type { Login } from './login.ts'
import type { Tally } from './tally.ts'

/** One caller: what it does once, again and again until the end. */
export interface Caller {
  readonly kind: string
  /** What is expected of every call. */
  readonly expected: string
  /** How many of them there are at a time. */
  readonly count: number
  /** @returns what it came to */
  call(requestId: string): Promise<string>
}

export interface CallerWorld {
  readonly httpUrl: string
  readonly grpcUrl: string
  readonly login: Login
}

const lifeSeconds = { shortest: 15, longest: 60 }

/** The callers of every protocol, and how each of them is to be answered. */
export function createCallers({ httpUrl, grpcUrl, login }: CallerWorld): {
  callers: readonly Caller[]
  close(): void
} {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  let session: ClientHttp2Session | undefined
  /** A connection has its number of requests; then it is told to go, and another one is opened. */
  const currentSession = (): ClientHttp2Session => {
    if (session !== undefined) return session
    const opened = connect(httpUrl)
    const leave = (): void => {
      if (session === opened) session = undefined
    }
    opened.on('error', leave).on('close', leave)
    opened.on('goaway', () => {
      leave()
      // Those under way end.
      opened.close()
    })
    session = opened
    return opened
  }
  const grpc = new Client(new URL(grpcUrl).host, credentials.createInsecure())
  const subjects = Array.from({ length: 40 }, (_, index) => `user-${index}`)
  const held = new Map<string, { token: string; endsMs: number }>()

  /** A subject's token, a new one shortly before it ends. */
  const tokenOf = async (subject: string, scope = 'orders:read'): Promise<string> => {
    const key = `${subject} ${scope}`
    const known = held.get(key)
    if (known !== undefined && known.endsMs - Date.now() > 5_000) return known.token
    const life = lifeSeconds.shortest + Math.random() * (lifeSeconds.longest - lifeSeconds.shortest)
    const exp = Math.floor(Date.now() / 1000 + life)
    const token = await login.sign({ sub: subject, scope, exp })
    held.set(key, { token, endsMs: exp * 1000 })
    return token
  }
  const anybody = (): string => subjects[Math.floor(Math.random() * subjects.length)] as string

  const ask = (
    method: string,
    path: string,
    token: string | undefined,
    requestId: string,
    body?: Buffer,
  ): Promise<string> =>
    new Promise(resolve => {
      const headers = {
        'x-request-id': requestId,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-length': body.length }),
      }
      const request = httpRequest(new URL(path, httpUrl), { agent, method, headers }, response => {
        let text = ''
        response.on('data', chunk => {
          text += chunk
        })
        response.on('end', () =>
          resolve(response.statusCode === 200 ? text : `status ${response.statusCode}`),
        )
        response.on('error', () => resolve('broken off'))
      })
      request.on('error', error => resolve(`error ${(error as NodeJS.ErrnoException).code}`))
      request.end(body)
    })
  const same = (answer: string, wanted: string): string => (answer === wanted ? 'ok' : `'${answer}'`)

  const callers: readonly Caller[] = [
    {
      kind: 'GET',
      expected: 'ok',
      count: 6,
      async call(id) {
        const subject = anybody()
        return same(await ask('GET', '/orders/1', await tokenOf(subject), id), `${subject} 0`)
      },
    },
    {
      kind: 'POST 64 KiB',
      expected: 'ok',
      count: 2,
      async call(id) {
        const subject = anybody()
        const body = Buffer.alloc(65_536, 'x')
        return same(await ask('POST', '/orders/1', await tokenOf(subject), id, body), `${subject} 65536`)
      },
    },
    {
      kind: 'public route',
      expected: 'ok',
      count: 1,
      call: async id => same(await ask('GET', '/public/1', undefined, id), 'nobody 0'),
    },
    {
      kind: 'no token',
      expected: 'status 401',
      count: 1,
      call: id => ask('GET', '/orders/1', undefined, id),
    },
    {
      kind: 'expired token',
      expected: 'status 401',
      count: 1,
      async call(id) {
        const exp = Math.floor(Date.now() / 1000) - 60
        return ask('GET', '/orders/1', await login.sign({ scope: 'orders:read', iat: exp - 60, exp }), id)
      },
    },
    {
      kind: 'scope missing',
      expected: 'status 403',
      count: 1,
      call: async id => ask('GET', '/orders/1', await tokenOf(anybody(), 'openid'), id),
    },
    {
      kind: 'upstream resets',
      expected: 'status 502',
      count: 1,
      call: async id => ask('GET', '/orders/reset', await tokenOf(anybody()), id),
    },
    {
      kind: 'upstream breaks off',
      expected: 'broken off',
      count: 1,
      call: async id => ask('GET', '/orders/half', await tokenOf(anybody()), id),
    },
    {
      kind: 'SSE',
      expected: 'ok',
      count: 2,
      async call(id) {
        const subject = anybody()
        const answer = await ask('GET', '/orders/events', await tokenOf(subject), id)
        return same(answer, `data: ${subject}\n\n`.repeat(5))
      },
    },
    {
      kind: 'WebSocket',
      expected: 'ok',
      count: 2,
      async call(id) {
        const subject = anybody()
        const headers = { authorization: `Bearer ${await tokenOf(subject)}`, 'x-request-id': id }
        const socket = new WebSocket(`${httpUrl.replace('http', 'ws')}/orders/live`, { headers })
        try {
          await once(socket, 'open')
          for (const word of ['one', 'two', 'three']) {
            socket.send(word)
            const [data] = await once(socket, 'message')
            if (String(data) !== `${subject} ${word}`) return `'${data}'`
          }
          return 'ok'
        } catch (cause) {
          return `error ${cause instanceof Error ? cause.message : cause}`
        } finally {
          socket.terminate()
        }
      },
    },
    {
      kind: 'HTTP/2',
      expected: 'ok',
      count: 3,
      async call(id) {
        const subject = anybody()
        const fields = {
          ':path': '/orders/2',
          authorization: `Bearer ${await tokenOf(subject)}`,
          'x-request-id': id,
        }
        for (let attempt = 1; ; attempt++) {
          const stream = currentSession().request(fields)
          let text = ''
          stream.on('data', chunk => {
            text += chunk
          })
          try {
            const [headers] = await once(stream, 'response')
            await once(stream, 'end')
            return headers[':status'] === 200 ? same(text, `${subject} 0`) : `status ${headers[':status']}`
          } catch (cause) {
            // What came behind the last request of a connection was not looked at (RFC 9113 §8.7).
            if (attempt === 1 && stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) continue
            return `error ${cause instanceof Error ? cause.message : cause}`
          }
        }
      },
    },
    {
      kind: 'gRPC call',
      expected: 'ok',
      count: 2,
      async call(id) {
        const subject = anybody()
        const metadata = new Metadata()
        metadata.set('authorization', `Bearer ${await tokenOf(subject)}`)
        metadata.set('x-request-id', id)
        const { path, requestSerialize, responseDeserialize } = echoService.Say
        return new Promise(resolve => {
          grpc.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            Buffer.alloc(10),
            metadata,
            (error, answer) =>
              resolve(error === null ? same(String(answer), `${subject} 10`) : `code ${error.code}`),
          )
        })
      },
    },
    {
      kind: 'gRPC conversation',
      expected: 'ok',
      count: 1,
      async call(id) {
        const subject = anybody()
        const metadata = new Metadata()
        metadata.set('authorization', `Bearer ${await tokenOf(subject)}`)
        metadata.set('x-request-id', id)
        const { path, requestSerialize, responseDeserialize } = echoService.Talk
        const call = grpc.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata)
        return new Promise(resolve => {
          let answers = 0
          call.on('error', (error: { code?: number }) => resolve(`code ${error.code}`))
          call.on('data', (answer: Buffer) => {
            answers += 1
            if (String(answer) !== `${subject} ${answers}`) resolve(`'${answer}'`)
            if (answers === 3) call.end()
            else call.write(Buffer.alloc(answers + 1))
          })
          call.on('end', () => resolve(answers === 3 ? 'ok' : `${answers} answers`))
          call.write(Buffer.alloc(1))
        })
      },
    },
  ]
  return {
    callers,
    close() {
      agent.destroy()
      session?.destroy()
      grpc.close()
    },
  }
}

/** Calls again and again until told to stop. */
export async function keepCalling(
  caller: Caller,
  tally: Tally,
  isOver: () => boolean,
  pauseMs: number,
): Promise<void> {
  while (!isOver()) {
    const outcome = await caller.call(tally.newId())
    tally.note(caller.kind, outcome, caller.expected)
    await new Promise(resolve => setTimeout(resolve, pauseMs * (0.5 + Math.random())))
  }
}
