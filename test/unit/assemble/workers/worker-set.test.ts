import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { FromWorker, ToWorker, WorkerSettings } from '../../../../src/assemble/workers/messages.ts'
import type { SpawnWorker, WorkerListener } from '../../../../src/assemble/workers/worker-process.ts'
import { WorkerSet } from '../../../../src/assemble/workers/worker-set.ts'
import { channels } from '../../../../src/base/channels.ts'
import { type Log, silentLog } from '../../../../src/base/log.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'

/** A worker process as a script: it does what the test tells it to. */
class FakeWorker {
  readonly received: ToWorker[] = []
  readonly number: number
  readonly listener: WorkerListener
  isAlive = true
  /** What it answers reloads with; none when undefined. */
  onReload: ((settings: WorkerSettings) => string | undefined) | undefined = () => undefined
  answersMetrics = true
  running: WorkerSettings | undefined

  constructor(number: number, listener: WorkerListener) {
    this.number = number
    this.listener = listener
  }

  say(message: FromWorker): void {
    this.listener.onMessage(message)
  }

  /** Greets, takes its settings, and listens. */
  listen(): void {
    this.say({ kind: 'hello' })
    this.say({ kind: 'readiness', readiness: { ready: true, reasons: [] } })
    this.say({ kind: 'listening', url: 'http://127.0.0.1:8080' })
  }

  end(how = 'SIGKILL'): void {
    if (!this.isAlive) return
    this.isAlive = false
    this.listener.onEnded(how)
  }

  hear(message: ToWorker): void {
    this.received.push(message)
    if (message.kind === 'start') this.running = message.settings
    if (message.kind === 'reload' && this.onReload !== undefined) {
      const rejected = this.onReload(message.settings)
      if (rejected === undefined) this.running = message.settings
      this.say({ kind: 'reloaded', id: message.id, rejected })
    }
    if (message.kind === 'metrics' && this.answersMetrics) {
      this.say({ kind: 'metrics', id: message.id, text: `from ${this.number}\n` })
    }
  }
}

const clock = createFakeClock()
const settings = (name: string): WorkerSettings => ({ texts: { 'c.yaml': name }, signingKeys: undefined })
const first = settings('first')
let workers: FakeWorker[]
let logged: string[]
let ended: number[]
let metrics: [number, string][]
let failsToSpawn: boolean

function createSet(count = 2): WorkerSet {
  const spawn: SpawnWorker = (number, listener) => {
    if (failsToSpawn) throw new Error('spawn EAGAIN')
    const worker = new FakeWorker(number, listener)
    workers.push(worker)
    return {
      pid: 1_000 + workers.length,
      output: undefined,
      send: message => worker.hear(message),
      kill: () => queueMicrotask(() => worker.end()),
    }
  }
  const keep = (message: string, fields?: unknown): void => {
    logged.push(`${message} ${JSON.stringify(fields ?? {})}`)
  }
  const log: Log = { ...silentLog, info: keep, error: keep }
  return new WorkerSet({
    count,
    spawn,
    log,
    clock,
    settings: first,
    isAuditAccepting: true,
    onMetrics: (worker, text) => metrics.push([worker, text]),
    onOutput() {},
    onEnded: worker => ended.push(worker),
  })
}

/** A set whose workers all listen. */
async function startSet(count = 2): Promise<WorkerSet> {
  const set = createSet(count)
  const started = set.start()
  for (const worker of workers) worker.listen()
  await started
  return set
}

/** Both clocks. */
async function pass(ms: number): Promise<void> {
  clock.advanceMs(ms)
  await vi.advanceTimersByTimeAsync(ms)
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  workers = []
  logged = []
  ended = []
  metrics = []
  failsToSpawn = false
})

afterEach(() => {
  vi.useRealTimers()
})

describe('starting', () => {
  it('has started when every worker listens', async () => {
    const set = createSet(3)
    let url: string | undefined
    void set.start().then(where => {
      url = where
    })
    workers[0]?.listen()
    workers[1]?.listen()
    await pass(1)
    expect(url).toBeUndefined()
    expect(set.readiness).toEqual({ ready: false, reasons: ['worker 3: starting'] })
    workers[2]?.listen()
    await pass(1)
    expect(url).toBe('http://127.0.0.1:8080')
    expect(set.listening).toBe(3)
    expect(set.readiness).toEqual({ ready: true, reasons: [] })
    expect(workers.map(({ number, running }) => [number, running])).toEqual([
      [1, first],
      [2, first],
      [3, first],
    ])
  })

  it('fails with the reason of the worker that cannot start, which is not tried again', async () => {
    const set = createSet()
    const started = set.start()
    workers[0]?.say({ kind: 'hello' })
    workers[0]?.say({ kind: 'refused', reason: 'listen EADDRINUSE 127.0.0.1:8080' })
    workers[0]?.end('exit code 0')
    await expect(started).rejects.toThrow('worker 1: listen EADDRINUSE 127.0.0.1:8080')
    await pass(60_000)
    expect(workers).toHaveLength(2)
  })

  it('fails when a worker ends before it listens, and when none can be made', async () => {
    const set = createSet()
    const started = set.start()
    workers[1]?.end('exit code 7')
    await expect(started).rejects.toThrow('worker 2: exit code 7')
    failsToSpawn = true
    await expect(createSet().start()).rejects.toThrow('worker 1: spawn EAGAIN')
  })
})

describe('a worker that ends', () => {
  it('is replaced, while the others go on and readiness stays', async () => {
    const exits: unknown[] = []
    const onExit = (message: unknown): void => void exits.push(message)
    channels.workerExit.subscribe(onExit)
    const set = await startSet(3)
    await pass(20_000)
    workers[1]?.end()
    expect(set.listening).toBe(2)
    expect(set.readiness).toEqual({ ready: true, reasons: ['worker 2: ended'] })
    await pass(0)
    expect(workers.map(({ number }) => number)).toEqual([1, 2, 3, 2])
    expect(set.readiness).toEqual({ ready: true, reasons: ['worker 2: starting'] })
    workers[3]?.listen()
    expect(set.readiness).toEqual({ ready: true, reasons: [] })
    expect(set.listening).toBe(3)
    expect(ended).toEqual([2])
    expect(exits).toEqual([{ worker: 2 }])
    channels.workerExit.unsubscribe(onExit)
  })

  it('is replaced ever more slowly when its successors end at once', async () => {
    const set = await startSet(2)
    await pass(20_000)
    workers[1]?.end()
    for (let second = 0; second < 600; second++) {
      await pass(1_000)
      const latest = workers.at(-1)
      if (latest?.number === 2) latest.end('exit code 1')
    }
    expect(workers.length).toBeGreaterThan(15)
    expect(workers.length).toBeLessThan(40)
    expect(set.readiness.ready).toBe(true)
    expect(set.readiness.reasons).toEqual([expect.stringMatching(/^worker 2: ended \d+ times in a row$/)])
    expect(logged.at(-1)).toMatch(/worker ended .*"how":"exit code 1","restartInMs":30000/)
  })

  it('leaves nobody ready when it was the last', async () => {
    const set = await startSet(2)
    for (const worker of [...workers]) worker.end()
    expect(set.readiness.ready).toBe(false)
    await pass(100)
    expect(workers).toHaveLength(4)
    expect(set.readiness.ready).toBe(false)
    workers[2]?.listen()
    expect(set.readiness.ready).toBe(true)
  })

  it('is tried again when its successor cannot start or cannot be made', async () => {
    const set = await startSet(2)
    await pass(20_000)
    failsToSpawn = true
    workers[0]?.end()
    await pass(500)
    failsToSpawn = false
    await pass(10_000)
    const second = workers.at(-1)
    expect(second?.number).toBe(1)
    second?.say({ kind: 'hello' })
    second?.say({ kind: 'refused', reason: 'no more memory' })
    second?.end('exit code 0')
    expect(logged.at(-1)).toContain('no more memory')
    await pass(30_000)
    workers.at(-1)?.listen()
    expect(set.listening).toBe(2)
  })

  it('is one that does not answer, after three looks', async () => {
    const set = await startSet(2)
    const [stuck, other] = workers
    if (stuck) stuck.answersMetrics = false
    await pass(5_000)
    await pass(5_000)
    await pass(5_000)
    expect(stuck?.isAlive).toBe(true)
    await pass(5_000)
    expect(stuck?.isAlive).toBe(false)
    expect(other?.isAlive).toBe(true)
    expect(logged.some(line => line.includes('"how":"it does not answer"'))).toBe(true)
    await pass(1_000)
    workers.at(-1)?.listen()
    expect(set.listening).toBe(2)
  })

  it('is not one that answers late', async () => {
    await startSet(1)
    const [slow] = workers
    if (slow === undefined) throw new Error('no worker')
    slow.answersMetrics = false
    for (let look = 0; look < 20; look++) {
      await pass(5_000)
      const question = slow.received.filter(({ kind }) => kind === 'metrics').at(-1)
      if (look % 2 === 1 && question?.kind === 'metrics') {
        slow.say({ kind: 'metrics', id: question.id, text: 'late\n' })
      }
    }
    expect(slow.isAlive).toBe(true)
    expect(workers).toHaveLength(1)
  })

  it('is one that never gets to listen, after a minute', async () => {
    const set = await startSet(2)
    await pass(20_000)
    workers[0]?.end()
    await pass(0)
    const successor = workers.at(-1)
    successor?.say({ kind: 'hello' })
    await pass(50_000)
    expect(successor?.isAlive).toBe(true)
    for (let look = 0; look < 4; look++) await pass(5_000)
    expect(successor?.isAlive).toBe(false)
    expect(set.listening).toBe(1)
  })
})

describe('a reload', () => {
  it('reaches every worker, and those that start later', async () => {
    const set = await startSet(3)
    const next = settings('next')
    expect(await set.reload(next)).toBeUndefined()
    expect(workers.map(({ running }) => running)).toEqual([next, next, next])
    workers[0]?.end()
    await pass(1_000)
    workers.at(-1)?.listen()
    expect(workers.at(-1)?.running).toBe(next)
  })

  it('is for all or for none: when one rejects it, the others go back', async () => {
    const set = await startSet(3)
    const second = workers[1]
    if (second === undefined) throw new Error('no worker')
    second.onReload = () => 'its key file is gone'
    expect(await set.reload(settings('next'))).toBe('its key file is gone')
    expect(workers.map(({ running }) => running)).toEqual([first, first, first])
    expect(workers.every(({ isAlive }) => isAlive)).toBe(true)
    workers[0]?.end()
    await pass(1_000)
    workers.at(-1)?.listen()
    expect(workers.at(-1)?.running).toBe(first)
  })

  it('ends who cannot go back, so that no two run with different ones', async () => {
    const set = await startSet(2)
    const [one, two] = workers
    if (one === undefined || two === undefined) throw new Error('no worker')
    one.onReload = next => (next === first ? 'never again' : undefined)
    two.onReload = () => 'no'
    expect(await set.reload(settings('next'))).toBe('no')
    await pass(0)
    expect(one.isAlive).toBe(false)
    expect(two.running).toBe(first)
    await pass(1_000)
    workers.at(-1)?.listen()
    expect(workers.at(-1)?.running).toBe(first)
  })

  it('does not wait for a worker that ends meanwhile', async () => {
    const set = await startSet(2)
    const [one] = workers
    if (one) one.onReload = undefined
    const reloaded = set.reload(settings('next'))
    one?.end()
    expect(await reloaded).toBeUndefined()
    await pass(1_000)
    workers.at(-1)?.listen()
    expect(workers.at(-1)?.running?.texts).toEqual({ 'c.yaml': 'next' })
  })

  it('catches up with a worker that began to listen while it was under way', async () => {
    const set = await startSet(2)
    workers[0]?.end()
    await pass(1_000)
    const late = workers.at(-1)
    late?.say({ kind: 'hello' })
    const next = settings('next')
    expect(await set.reload(next)).toBeUndefined()
    expect(late?.running).toBe(first)
    late?.say({ kind: 'listening', url: 'http://127.0.0.1:8080' })
    await pass(0)
    expect(late?.running).toBe(next)
  })
})

describe('metrics', () => {
  it('are asked of every worker that listens', async () => {
    const set = await startSet(2)
    await set.askMetrics()
    expect(metrics).toEqual([
      [1, 'from 1\n'],
      [2, 'from 2\n'],
    ])
  })

  it('do not wait longer than a second for one that is stuck', async () => {
    const set = await startSet(2)
    const [stuck] = workers
    if (stuck) stuck.answersMetrics = false
    let isDone = false
    void set.askMetrics().then(() => {
      isDone = true
    })
    await pass(999)
    expect(isDone).toBe(false)
    await pass(1)
    expect(isDone).toBe(true)
    expect(metrics).toEqual([[2, 'from 2\n']])
  })

  it('are asked every five seconds, so that little is lost with a worker that is killed', async () => {
    await startSet(1)
    await pass(15_000)
    expect(metrics).toHaveLength(3)
  })
})

describe('the state of the audit trail', () => {
  it('is told to every worker, to those that start later too', async () => {
    const set = await startSet(2)
    set.tellAudit(false)
    expect(workers.map(({ received }) => received.at(-1))).toEqual([
      { kind: 'audit', isAccepting: false },
      { kind: 'audit', isAccepting: false },
    ])
    workers[0]?.end()
    await pass(1_000)
    workers.at(-1)?.listen()
    expect(workers.at(-1)?.received[0]).toEqual({
      kind: 'start',
      settings: first,
      workers: 2,
      isAuditAccepting: false,
    })
  })
})

describe('draining', () => {
  it('tells every worker once, and has ended after the last, which nobody replaces', async () => {
    const set = await startSet(2)
    let isDrained = false
    void set.drain(30_000).then(() => {
      isDrained = true
    })
    expect(workers.map(({ received }) => received.at(-1))).toEqual([{ kind: 'drain' }, { kind: 'drain' }])
    workers[0]?.say({ kind: 'drained', metrics: 'last of 1\n' })
    workers[0]?.end('exit code 0')
    await pass(10_000)
    expect(isDrained).toBe(false)
    workers[1]?.end('exit code 0')
    await pass(10_000)
    expect(isDrained).toBe(true)
    expect(metrics).toEqual([[1, 'last of 1\n']])
    expect(workers).toHaveLength(2)
  })

  it('kills who takes longer than it may', async () => {
    const set = await startSet(2)
    const drained = set.drain(30_000)
    workers[0]?.end('exit code 0')
    await pass(29_999)
    expect(workers[1]?.isAlive).toBe(true)
    await pass(1)
    await drained
    expect(workers[1]?.isAlive).toBe(false)
  })

  it('starts nobody that waited to be started', async () => {
    const set = await startSet(2)
    workers[0]?.end()
    const drained = set.drain(30_000)
    workers[1]?.end('exit code 0')
    await drained
    await pass(60_000)
    expect(workers).toHaveLength(2)
  })

  it('reaches a worker that is starting', async () => {
    const set = createSet(2)
    const started = set.start().catch((error: Error) => error.message)
    workers[0]?.listen()
    const drained = set.drain(30_000)
    expect(workers[1]?.received).toEqual([{ kind: 'drain' }])
    for (const worker of workers) worker.end('exit code 0')
    await drained
    expect(await started).toBe('worker 2: exit code 0')
  })
})
