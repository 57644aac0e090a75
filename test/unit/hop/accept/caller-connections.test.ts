import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallerConnections } from '../../../../src/hop/accept/caller-connections.ts'

const limits = {
  headerBytes: 16_384,
  headerCount: 100,
  connections: 100,
  requestsPerConnection: 100,
  streamsPerConnection: 100,
  headersMs: 1_000,
  keepAliveMs: 3_000,
  bodyIdleMs: 2_000,
}

/** The part of a socket that is looked at. */
class Caller extends EventEmitter {
  bytesRead = 0
  bytesWritten = 0
  writableLength = 0
  writableEnded = false
  ending: 'open' | 'destroyed' | 'reset' = 'open'

  destroy(): void {
    if (this.ending === 'open') this.ending = 'destroyed'
    this.emit('close')
  }

  resetAndDestroy(): void {
    this.ending = 'reset'
    this.emit('close')
  }
}

interface Answer {
  closed: boolean
  headersSent: boolean
  writableFinished: boolean
  req: { complete: boolean }
}

let connections: CallerConnections

beforeEach(() => {
  vi.useFakeTimers({
    toFake: [
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval',
      'setImmediate',
      'clearImmediate',
      'performance',
    ],
  })
  connections = new CallerConnections(limits)
})

afterEach(async () => {
  connections.destroy()
  await connections.close()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

function add(isServed = true, caller = new Caller()): { caller: Caller; socket: Socket } {
  const socket = caller as unknown as Socket
  connections.add(socket)
  if (isServed) connections.served(socket)
  return { caller, socket }
}

function answer(socket: Socket, about: Partial<Answer> = {}): Answer {
  const one = {
    closed: false,
    headersSent: false,
    writableFinished: false,
    req: { complete: false },
    ...about,
  }
  connections.answering(socket, one as unknown as ServerResponse)
  return one
}

/** Sweeps come at least this often. */
const sweepMs = 250

/** Passes time, with something that happens before each step of it. @returns after how long it was ended */
function endsAfter(caller: Caller, withinMs: number, before = (): void => {}): number {
  for (let ms = 0; ms < withinMs; ms += 100) {
    if (caller.ending !== 'open') return ms
    before()
    vi.advanceTimersByTime(100)
  }
  return Infinity
}

function expectAbout(ms: number, expectedMs: number): void {
  expect(ms).toBeGreaterThanOrEqual(expectedMs)
  expect(ms).toBeLessThanOrEqual(expectedMs + sweepMs + 200)
}

describe('a connection', () => {
  it('that does not say what it speaks ends in the time for headers, also when it says it slowly', () => {
    const { caller } = add(false)
    expectAbout(
      endsAfter(caller, 60_000, () => {
        caller.bytesRead += 1
      }),
      limits.headersMs,
    )
  })

  it('on which no request comes ends when Node should have ended it', () => {
    expectAbout(endsAfter(add().caller, 60_000), limits.headersMs + limits.keepAliveMs)
  })

  it('whose last answer has ended is kept alive as long as it may', () => {
    const { caller, socket } = add()
    answer(socket, { closed: true, headersSent: true, writableFinished: true, req: { complete: true } })
    expectAbout(endsAfter(caller, 60_000), limits.keepAliveMs)
    expect(caller.ending).toBe('destroyed')
  })

  it.each(['bytesRead', 'bytesWritten'] as const)('whose %s grow is not ended, and then ends', bytes => {
    const { caller, socket } = add()
    answer(socket, { headersSent: true })
    const moves = (): void => {
      caller[bytes] += 1
    }
    expect(endsAfter(caller, 60_000, moves)).toBe(Infinity)
    expectAbout(endsAfter(caller, 60_000), limits.bodyIdleMs)
  })

  it('that waits for the upstream is not ended', () => {
    const { caller, socket } = add()
    const one = answer(socket, { req: { complete: true } })
    expect(endsAfter(caller, 600_000)).toBe(Infinity)
    one.headersSent = true
    expect(endsAfter(caller, 60_000)).toBeLessThanOrEqual(sweepMs + 100)
  })

  it.each<[string, Partial<Answer>, number]>([
    ['whose request stops in its body', { req: { complete: false } }, 0],
    ['whose answer stops in its body', { headersSent: true, req: { complete: true } }, 0],
    ['that does not take an interim answer', { req: { complete: true } }, 25],
  ])('%s is ended', (_, about, unsent) => {
    const { caller, socket } = add()
    caller.writableLength = unsent
    answer(socket, about)
    expectAbout(endsAfter(caller, 60_000), limits.bodyIdleMs)
  })

  it('is reset when an answer is under way, so that what came of it is not taken for all of it', () => {
    const { caller, socket } = add()
    answer(socket, { headersSent: true, req: { complete: true } })
    expectAbout(endsAfter(caller, 60_000), limits.bodyIdleMs)
    expect(caller.ending).toBe('reset')
  })

  it.each<[string, Partial<Answer>, Partial<Caller> & { encrypted?: true }]>([
    ['no answer has begun', { headersSent: false }, {}],
    ['it speaks TLS', { headersSent: true }, { encrypted: true }],
    ['its end is on its way already', { headersSent: true }, { writableEnded: true }],
  ])('is not reset when %s', (_, about, kind) => {
    const { caller, socket } = add(true, Object.assign(new Caller(), kind))
    answer(socket, about)
    expectAbout(endsAfter(caller, 60_000), limits.bodyIdleMs)
    expect(caller.ending).toBe('destroyed')
  })

  it('is forgotten when it closes, is spoken on in another protocol, or becomes a tunnel', () => {
    const [closed, forgotten, detached] = [add(), add(), add()]
    for (const { socket } of [closed, forgotten, detached]) answer(socket)
    closed.caller.destroy()
    connections.forget(forgotten.socket)
    connections.detach(detached.socket)
    for (const { socket } of [closed, forgotten, detached]) expect(connections.newest(socket)).toBeUndefined()
    expect(endsAfter(forgotten.caller, 60_000)).toBe(Infinity)
    expect(endsAfter(detached.caller, 60_000)).toBe(Infinity)
  })
})

describe('answering', () => {
  it('says which answer is still under way, and which is the newest', () => {
    const { socket } = add()
    const first = answer(socket)
    const second = { closed: false } as unknown as ServerResponse
    expect(connections.answering(socket, second)).toBe(first)
    expect(connections.newest(socket)).toBe(second)
    Object.assign(second, { closed: true })
    expect(connections.answering(socket, {} as ServerResponse)).toBeUndefined()
  })
})

describe('draining', () => {
  it('ends idle connections when they have said nothing for a second, and no others', () => {
    const [unknown, unused, used, answering, waiting] = [add(false), add(), add(), add(), add()]
    answer(used.socket, { closed: true, headersSent: true, writableFinished: true })
    answer(answering.socket, { headersSent: true })
    answer(waiting.socket, { req: { complete: true } })
    expect(connections.isDraining).toBe(false)
    connections.drain()
    expect(connections.isDraining).toBe(true)
    vi.advanceTimersByTime(900)
    for (const { caller } of [unknown, unused, used]) expect(caller.ending).toBe('open')
    vi.advanceTimersByTime(200)
    for (const { caller } of [unknown, unused, used]) expect(caller.ending).toBe('destroyed')
    for (const { caller } of [answering, waiting]) expect(caller.ending).toBe('open')
  })

  it('gives a request that is on its way a second', () => {
    const { caller } = add()
    connections.drain()
    vi.advanceTimersByTime(800)
    caller.bytesRead += 10
    expectAbout(endsAfter(caller, 60_000), 1_000)
  })

  it('breaks off all that is left, tunnels and handshakes as well', () => {
    const [idle, answering, tunnel, handshake] = [add(), add(), add(), new Caller()]
    answer(answering.socket, { headersSent: true })
    connections.detach(tunnel.socket)
    connections.wrap(handshake as unknown as Socket)
    connections.destroy()
    const endings = [idle.caller, answering.caller, tunnel.caller, handshake].map(({ ending }) => ending)
    expect(endings).toEqual(['destroyed', 'reset', 'destroyed', 'destroyed'])
  })

  it('waits for tunnels to say that they are closed', async () => {
    const { caller, socket } = add()
    connections.detach(socket)
    let isClosed = false
    const closing = connections.close().then(() => {
      isClosed = true
    })
    await Promise.resolve()
    expect(isClosed).toBe(false)
    caller.destroy()
    await closing
  })
})
