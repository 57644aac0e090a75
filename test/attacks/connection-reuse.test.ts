import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readClaims } from '../support/attacked-hop.ts'
import { type FramedHop, startFramedHop, statuses, usual } from '../support/framed-hop.ts'
import { createHostileUpstream, type HostileUpstream, ok, poison } from '../support/hostile-upstream.ts'
import { openCaller } from '../support/keep-alive-caller.ts'
import { createRandom } from '../support/random.ts'
import { sendRaw } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { type Answer, type RecordedRequest, response } from '../support/upstream.ts'

/**
 * A connection to the upstream is kept for the next user, and so is whatever is left on it. An upstream that says more
 * than it was asked leaves an answer behind that waits for a request (CVE-2026-105481). Everybody gets the answer to
 * their own request, and a connection on which anything came that nobody asked for is closed.
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

const whole: readonly [end: string, bytes: string, body: string][] = [
  ['a length', `${ok('Content-Length: 2')}ok`, 'ok'],
  ['a length of 0', ok('Content-Length: 0'), ''],
  ['chunks', `${ok('Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`, 'ok'],
]
const extras: readonly [what: string, bytes: string][] = [
  ['an answer', poison],
  ['the beginning of an answer', 'HTTP/1.1 200 OK\r\nX-Poison: 1'],
  ['one byte', 'H'],
  ['an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ['no HTTP', 'poison'],
]
const pairs = whole.flatMap(([end, bytes, body]) =>
  extras.map(([what, extra]) => ({ end, bytes, body, what, extra })),
)

describe('E15 and D04: an answer before its request', () => {
  it.each(pairs)('E15 gives nobody $what behind $end, in the same packet', async ({ bytes, body, extra }) => {
    await upstream.expectCutOff(bytes + extra, 200, body)
  })

  it.each(pairs)('D04 gives nobody $what that comes after $end has ended', async ({ bytes, body, extra }) => {
    const outcome = await answerAndKeep(bytes)
    expect([statuses(outcome.answer), outcome.answer.responses[0]?.text]).toEqual([[200], body])
    outcome.socket.write(extra)
    await upstream.expectNotUsedAgain(outcome)
  })

  it.each(whole)(
    'D04 uses a connection again on which nothing comes after %s has ended',
    async (_, bytes, body) => {
      await upstream.expectWhole(bytes, 200, body)
    },
  )

  it('D04 closes a connection on which an empty line comes that nobody asked for', async () => {
    await upstream.expectCutOff(`${ok('Content-Length: 2')}ok\r\n`, 200, 'ok')
    const outcome = await answerAndKeep(`${ok('Content-Length: 2')}ok`)
    outcome.socket.write('\r\n')
    await upstream.expectNotUsedAgain(outcome)
  })

  it('D04 gives nobody the goodbye of an upstream that has waited too long', async () => {
    const outcome = await answerAndKeep(`${ok('Content-Length: 2')}ok`)
    outcome.socket.end(response(408, 'poison', { Connection: 'close' }))
    await upstream.expectNotUsedAgain(outcome)
  })

  it('D04 gives many users their own answers while every idle connection is poisoned, again and again', async () => {
    const sockets = new Set<Socket>()
    hop.upstream.answerWith(({ target }, socket) => {
      sockets.add(socket)
      return response(200, target)
    })
    for (let round = 0; round < 5; round++) {
      const paths = Array.from({ length: 40 }, (_, user) => `/orders/${round}-${user}`)
      const answers = await Promise.all(paths.map(path => sendRaw(hop.port, hop.get(path), { responses: 1 })))
      expect(answers.map(answer => answer.responses[0]?.text)).toEqual(paths)
      for (const socket of sockets) socket.write(poison)
      await until(() => [...sockets].every(socket => socket.destroyed), 'the poisoned connections are closed')
      sockets.clear()
    }
    hop.upstream.answerWith(usual)
    await hop.expectServed()
  })

  async function answerAndKeep(bytes: string) {
    let socket: Socket | undefined
    const outcome = await upstream.relay((_request, its) => {
      socket = its
      return bytes
    })
    return { ...outcome, socket: socket as Socket }
  }
})

describe('E15, E16 and pattern E16: a body where there is none', () => {
  const without = (method: string, status: number, field: string): [request: string, head: string] => [
    hop.get().replace('GET', method),
    `HTTP/1.1 ${status} S\r\n${field}\r\n\r\n`,
  ]

  it.each([
    ['HEAD', 200, 'Content-Length: 2'],
    ['HEAD', 200, 'Transfer-Encoding: chunked'],
    ['GET', 204, 'X-A: 1'],
    ['GET', 204, 'Transfer-Encoding: chunked'],
    ['GET', 304, 'ETag: "x"'],
    ['GET', 304, 'Content-Length: 6'],
  ])('E15 pattern E16 gives nobody what follows the head of %s, %i, %s', async (method, status, field) => {
    const [request, head] = without(method, status, field)
    for (const body of ['poison', '6\r\npoison\r\n0\r\n\r\n', poison]) {
      await upstream.expectCutOff(head + body, status, '', request)
    }
  })

  it('E15 pattern E16 gives nobody the body of a 204, nor its length (RFC 9110 §8.6)', async () => {
    const { raw } = await upstream.expectCutOff('HTTP/1.1 204 S\r\nContent-Length: 6\r\n\r\npoison', 204, '')
    const head = raw.toString('latin1')
    if (head.startsWith('HTTP/1.1 204 ')) expect(head).not.toMatch(/content-length/i)
  })

  it.each([
    ['HEAD', 200, 'Content-Length: 999'],
    ['HEAD', 200, 'Transfer-Encoding: chunked'],
    ['HEAD', 200, 'X-A: 1'],
    ['HEAD', 404, 'Content-Length: 9'],
    ['GET', 204, 'X-A: 1'],
    ['GET', 304, 'ETag: "x"'],
    ['GET', 304, 'Content-Length: 999'],
  ])('E16 passes %s, %i, %s on at once, without a body', async (method, status, field) => {
    const [request, head] = without(method, status, field)
    const { answer, event } = await upstream.relay(head, request)
    expect([statuses(answer), answer.responses[0]?.complete]).toEqual([[status], true])
    expect(event).toMatchObject({ type: 'io.hopgate.hop.forwarded.v1', status })
    const [name = '', value] = field.split(': ')
    if (!name.startsWith('Transfer')) expect(answer.responses[0]?.header(name)).toBe(value)
    await hop.expectServed()
  })
})

describe('D03 and D05: everybody at once, and every kind of answer', () => {
  const [users, workers, requests] = [50, 24, 1_500]

  it('D03 D05 gives every caller the answer to their own request, whatever becomes of the others', async () => {
    const random = createRandom(20_261_123)
    hop.upstream.answerWith(answerOddly)
    const tokens = await Promise.all(
      Array.from({ length: users }, (_, user) => hop.issuer.sign({ scope: 'orders:read', sub: `u${user}` })),
    )
    const counts = { sent: 0, aborted: 0, whole: 0, failed: 0 }
    const events = hop.lines.length
    hop.upstream.clear()

    const work = async (): Promise<void> => {
      let caller = await openCaller(hop.port)
      while (counts.sent < requests) {
        const user = random(users)
        const kind = kinds[random(kinds.length)] as Kind
        const path = `/orders/u${user}/${kind}/${counts.sent++}`
        const bytes = requestFor(kind, path, tokens[user] ?? '')
        if (caller.isClosed()) caller = await openCaller(hop.port)
        if (random(4) === 0) {
          counts.aborted += 1
          caller.abort(bytes.subarray(0, 1 + random(bytes.length)))
          caller = await openCaller(hop.port)
          continue
        }
        const answer = await caller.send(bytes, kind === 'head').catch(() => undefined)
        expect(answer?.raw.includes('poison') ?? false).toBe(false)
        if (answer === undefined || answer.status === 502 || !answer.complete) {
          expect(mayFail.has(kind), `${kind} failed`).toBe(true)
          counts.failed += 1
          continue
        }
        expect(answer.header('x-path')).toBe(path)
        if (answer.body.length > 0) expect(answer.text).toBe(path)
        if (kind === 'redirect') expect(answer.header('set-cookie')).toBe(`at=${path}`)
        else expect(answer.header('set-cookie')).toBeUndefined()
        counts.whole += 1
      }
      caller.abort()
    }
    await Promise.all(Array.from({ length: workers }, work))

    for (const { target, headerAll } of hop.upstream.requests) {
      const [bearer = ''] = headerAll('authorization')
      expect(readClaims(bearer)['sub']).toBe(target.split('/')[2])
    }
    hop.upstream.answerWith(usual)
    await hop.expectServed()
    for (const line of hop.lines.slice(events, -1)) {
      const { path, inbound } = JSON.parse(line).data
      if (inbound !== undefined) expect(inbound.sub).toBe(path.split('/')[2])
    }
    // What would make all this say nothing.
    expect(hop.upstream.requests.length).toBeGreaterThan(requests / 2)
    expect(counts.aborted).toBeGreaterThan(requests / 5)
    expect(counts.whole).toBeGreaterThan(requests / 3)
    expect(counts.failed).toBeGreaterThan(requests / 20)
    expect(new Set(hop.upstream.requests.map(({ connection }) => connection)).size).toBeGreaterThan(workers)
  })
})

const kinds = [
  'length',
  'chunks',
  'until-close',
  'head',
  'post-length',
  'post-chunks',
  'no-content',
  'not-modified',
  'redirect',
  'hints',
  'slow',
  'extra',
  'truncated',
  'reset',
  'malformed',
  'silent-end',
] as const
type Kind = (typeof kinds)[number]

/** What need not be answered with what the upstream said. */
const mayFail: ReadonlySet<Kind> = new Set(['extra', 'truncated', 'reset', 'malformed', 'silent-end'])

function requestFor(kind: Kind, path: string, token: string): Buffer {
  const method = kind === 'head' ? 'HEAD' : kind.startsWith('post') ? 'POST' : 'GET'
  const head = `${method} ${path} HTTP/1.1\r\nHost: orders.test\r\nAuthorization: Bearer ${token}\r\n`
  const body = path.repeat(20)
  if (kind === 'post-length') return Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
  if (kind === 'post-chunks') {
    return Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk(body)}${chunk(path)}0\r\n\r\n`)
  }
  return Buffer.from(`${head}\r\n`)
}

/** Answers each kind of request in its own way; every answer says in its head and body for whom it is. */
async function answerOddly({ target, body }: RecordedRequest, socket: Socket): Promise<Answer | undefined> {
  const kind = target.split('/')[3] as Kind
  const mine = `X-Path: ${target}`
  const sized = `${ok(mine, `Content-Length: ${target.length}`)}${target}`
  switch (kind) {
    case 'chunks':
      socket.write(`${ok(mine, 'Transfer-Encoding: chunked')}${chunk(target.slice(0, 5))}`)
      await nextTurn()
      return `${chunk(target.slice(5))}0\r\n\r\n`
    case 'until-close':
      socket.end(`${ok(mine)}${target}`)
      return undefined
    case 'head':
      return ok(mine, 'Content-Length: 12345')
    case 'post-length':
    case 'post-chunks':
      expect(body.toString().startsWith(target.repeat(20))).toBe(true)
      return sized
    case 'no-content':
      return `HTTP/1.1 204 None\r\n${mine}\r\n\r\n`
    case 'not-modified':
      return `HTTP/1.1 304 Same\r\n${mine}\r\n\r\n`
    case 'redirect':
      return response(302, '', {
        'X-Path': target,
        Location: 'http://elsewhere.test/',
        'Set-Cookie': `at=${target}`,
      })
    case 'hints':
      return `HTTP/1.1 103 Early Hints\r\nLink: <${target}>\r\n\r\n${sized}`
    case 'slow':
      await nextTurn()
      await nextTurn()
      return sized
    case 'extra':
      return sized + poison
    case 'truncated':
      socket.end(sized.slice(0, -3))
      return undefined
    case 'reset':
      return { action: 'reset' }
    case 'malformed':
      return `${ok(mine, 'Content-Length: 6', 'Content-Length: 7')}poison`
    case 'silent-end':
      socket.end()
      return undefined
    default:
      return sized
  }
}

function chunk(data: string): string {
  return `${data.length.toString(16)}\r\n${data}\r\n`
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 2))
}
