import type { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { createHttp1Client } from '../../../../../src/hop/forward/http1/http1-client.ts'
import type { UpstreamCall } from '../../../../../src/hop/forward/upstream-client.ts'
import { createFakeUpstream, type FakeSocket, turns } from '../../../../support/fake-upstream.ts'
import { type RecordedResponse, sendRecorded } from '../../../../support/recorded-response.ts'
import { aRequestBody } from '../../../../support/request-body.ts'

/**
 * Whatever happens in whatever order: every request that is not given up ends exactly once, nobody gets anything of
 * somebody else's answer, and nothing is left behind.
 */

interface Sent {
  readonly target: string
  readonly recorded: RecordedResponse
  readonly call: UpstreamCall
  readonly source: PassThrough | undefined
  isGivenUp: boolean
}

const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'

/** The targets of the requests whose heads arrived on a connection. */
function targetsOf({ written }: FakeSocket): string[] {
  return [...written.matchAll(/(?:GET|PUT|POST|HEAD) (\/\d+) HTTP\/1\.1\r\n/g)].map(
    ([, target]) => target ?? '',
  )
}

/** Answers that say for whom they are, in pieces. */
const answers: Readonly<Record<string, (target: string, isHead: boolean) => string[]>> = {
  length: (target, isHead) => [
    `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n`,
    '\r\n',
    ...(isHead ? [] : [target]),
  ],
  chunks: (target, isHead) => [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    ...(isHead ? [] : [`${target.length.toString(16)}\r\n${target}\r\n`, '0\r\n', '\r\n']),
  ],
  interim: (target, isHead) => [
    'HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\n',
    `Content-Length: ${target.length}\r\n\r\n${isHead ? '' : target}`,
  ],
  closing: target => ['HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n', target],
  more: (target, isHead) => [
    `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${isHead ? '' : target}${poison}`,
  ],
  malformed: () => ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\npoison'],
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('send'), method: fc.constantFrom('GET', 'PUT', 'POST', 'HEAD') }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('open') }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('answer'),
      at: fc.nat(20),
      kind: fc.constantFrom(...Object.keys(answers)),
      pieces: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('turn') }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('end', 'break', 'reset', 'poison', 'abort', 'pause', 'resume', 'stall', 'take'),
      at: fc.nat(20),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('feed', 'finish'), at: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('wait', 'wait', 'wait', 'close') }) },
)

it('every request ends once, with its own answer, whatever happens in whatever order', async () => {
  let ended = 0
  let failed = 0
  let reused = 0
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
  })
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 5, maxLength: 120, size: 'max' }),
    async steps => {
      const upstream = createFakeUpstream()
      const client = createHttp1Client({
        connect: upstream.connect,
        connectTimeoutMs: 500,
        headersTimeoutMs: 1_000,
        bodyTimeoutMs: 1_000,
        maxConnections: 3,
      })
      const all: Sent[] = []
      /** What is still to come of the answer on a connection, and how many were begun. */
      const rest = new Map<FakeSocket, string[]>()
      const begun = new Map<FakeSocket, number>()
      const isIdle = (socket: FakeSocket): boolean =>
        // What is corked leaves before the system is asked for anything.
        socket.writableCorked === 0 &&
        targetsOf(socket).length > 0 &&
        targetsOf(socket).length === begun.get(socket) &&
        (rest.get(socket)?.length ?? 0) === 0
      const opened = new Set<FakeSocket>()
      /** Those on which everything is the body of the last answer. */
      const endless = new Set<FakeSocket>()
      let isClosed = false
      let closing: Promise<void> | undefined

      for (const one of steps) {
        const at = 'at' in one ? one.at : 0
        const socket = upstream.sockets.at(-1 - (at % Math.max(1, upstream.sockets.length)))
        const sent = all.at(-1 - (at % Math.max(1, all.length)))
        switch (one.do) {
          case 'send': {
            const method = 'method' in one ? one.method : 'GET'
            const { source, body } = method.startsWith('P') ? aRequestBody() : {}
            const target = `/${all.length}`
            all.push({ target, source, isGivenUp: false, ...sendRecorded(client, { method, target, body }) })
            break
          }
          case 'open':
            for (const its of upstream.sockets) if (!opened.has(its)) opened.add(its.opens())
            break
          case 'answer': {
            const asked = upstream.sockets.filter(
              its => !its.destroyed && targetsOf(its).length > 0 && !isIdle(its),
            )
            const its = asked[at % Math.max(1, asked.length)]
            if (its === undefined || !('kind' in one)) break
            const targets = targetsOf(its)
            const count = begun.get(its) ?? 0
            if ((rest.get(its)?.length ?? 0) === 0 && targets.length > count) {
              const target = targets[count] ?? ''
              rest.set(its, answers[one.kind]?.(target, its.written.includes(`HEAD ${target} `)) ?? [])
              begun.set(its, count + 1)
              if (one.kind === 'closing') endless.add(its)
            }
            for (const piece of rest.get(its)?.splice(0, one.pieces) ?? []) its.sends(piece)
            break
          }
          case 'turn':
            await turns(1)
            break
          case 'end':
            socket?.ends()
            break
          case 'break':
            socket?.breaks()
            break
          case 'reset':
            socket?.breaks('ECONNRESET')
            break
          case 'poison':
            if (socket !== undefined && isIdle(socket) && !endless.has(socket)) socket.sends(poison)
            break
          case 'stall':
            if (socket !== undefined) socket.isTaking = false
            break
          case 'take':
            socket?.takes()
            break
          case 'abort':
            if (sent !== undefined && !sent.recorded.isOver) sent.isGivenUp = true
            sent?.call.abort()
            break
          case 'pause':
            sent?.call.pause()
            break
          case 'resume':
            sent?.call.resume()
            break
          case 'feed':
            if (sent?.source?.writable) sent.source.write('body')
            break
          case 'finish':
            sent?.source?.end()
            break
          case 'wait':
            vi.advanceTimersByTime(700)
            break
          default:
            closing ??= client.close()
        }
      }
      void (closing ?? client.close()).then(() => {
        isClosed = true
      })
      for (let turn = 0; (!isClosed || vi.getTimerCount() > 0) && turn < 100; turn++) {
        for (const socket of upstream.sockets) socket.breaks()
        await turns(1)
      }

      expect(isClosed).toBe(true)
      expect(vi.getTimerCount()).toBe(0)
      for (const { target, recorded, isGivenUp, source } of all) {
        expect(recorded.isOver).toBe(!isGivenUp)
        expect(recorded.text).not.toContain('poison')
        if (recorded.text !== '') expect(target.startsWith(recorded.text)).toBe(true)
        if (source?.readableEnded === false) expect(source.listenerCount('data')).toBe(0)
        if (recorded.isEnded) ended += 1
        else if (recorded.failure !== undefined) failed += 1
      }
      reused += upstream.sockets.filter(socket => targetsOf(socket).length > 1).length
    },
  )
  await fc.assert(property, { numRuns: 500 })
  vi.useRealTimers()
  // What would make all this say nothing.
  expect([ended > 200, failed > 200, reused > 50]).toEqual([true, true, true])
}, 60_000)
