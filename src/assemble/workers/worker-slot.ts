import type { Readable } from 'node:stream'
import { channels } from '../../base/channels.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { Readiness } from '../admin-server.ts'
import type { WorkerStart } from './messages.ts'
import { RestartDelay } from './restart-delay.ts'
import { WorkerLife } from './worker-life.ts'
import type { SpawnWorker } from './worker-process.ts'

export interface SlotDependencies {
  readonly spawn: SpawnWorker
  readonly log: Log
  readonly clock: Clock
  /** What a worker is started with, asked at each start. */
  readonly start: () => WorkerStart
  onMetrics(worker: number, text: string): void
  /** Takes the audit lines of a worker, to the end of the stream. */
  onOutput(output: Readable): void
  /** A worker ended; another may follow. */
  onEnded(worker: number): void
}

/** The place of one worker: when one ends, the next takes it. */
export class WorkerSlot {
  readonly number: number
  readonly #deps: SlotDependencies
  readonly #log: Log
  readonly #delay: RestartDelay
  readonly #first = Promise.withResolvers<string>()
  #life: WorkerLife | undefined
  #timer: NodeJS.Timeout | undefined
  #ended: PromiseWithResolvers<void> | undefined
  #hasListened = false
  #isStopping = false

  constructor(number: number, deps: SlotDependencies) {
    this.number = number
    this.#deps = deps
    this.#log = deps.log
    this.#delay = new RestartDelay(deps.clock)
  }

  /**
   * Starts the first worker.
   *
   * @returns where it listens
   * @throws Error when it cannot: only who has listened once is replaced
   */
  start(): Promise<string> {
    this.#spawn()
    return this.#first.promise
  }

  /** The worker that takes requests, if there is one now. */
  get listening(): WorkerLife | undefined {
    return this.#life?.isListening ? this.#life : undefined
  }

  /** Whether a worker has ever listened here. */
  get hasListened(): boolean {
    return this.#hasListened
  }

  get readiness(): Readiness {
    if (this.#life !== undefined) return this.#life.readiness
    const lives = this.#delay.shortLives
    return { ready: false, reasons: [lives > 1 ? `ended ${lives} times in a row` : 'ended'] }
  }

  tellAudit(isAccepting: boolean): void {
    this.#life?.tellAudit(isAccepting)
  }

  /** Looks whether the worker answers, and asks for its metrics. To be called every few seconds. */
  watch(): void {
    if (!this.#isStopping && this.#life?.isStuck()) this.#life.kill('it does not answer')
  }

  /** Lets the worker end what is under way. Resolves when it has ended; none follows. */
  drain(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#timer)
    if (this.#life === undefined) return Promise.resolve()
    this.#life.drain()
    this.#ended ??= Promise.withResolvers()
    return this.#ended.promise
  }

  kill(why: string): void {
    this.#life?.kill(why)
  }

  #spawn(): void {
    this.#delay.begin()
    try {
      const life: WorkerLife = new WorkerLife(this.number, this.#deps.spawn, this.#deps.start, {
        onListening: url => this.#listens(life, url),
        onMetrics: text => this.#deps.onMetrics(this.number, text),
        onEnded: how => this.#endsAs(life.pid, how),
      })
      this.#life = life
      if (life.output !== undefined) this.#deps.onOutput(life.output)
    } catch (cause) {
      this.#endsAs(undefined, cause instanceof Error ? cause.message : 'it cannot be started')
    }
  }

  #listens(life: WorkerLife, url: string): void {
    this.#log.info('worker listens', { worker: this.number, pid: life.pid })
    this.#hasListened = true
    this.#first.resolve(url)
    // The configuration may have become another while the worker was starting.
    void life.follow(this.#deps.start().settings)
  }

  #endsAs(pid: number | undefined, how: string): void {
    this.#life = undefined
    this.#deps.onEnded(this.number)
    this.#ended?.resolve()
    if (!this.#hasListened) this.#first.reject(new Error(`worker ${this.number}: ${how}`))
    if (this.#isStopping || !this.#hasListened) return
    channels.workerExit.publish({ worker: this.number })
    const restartInMs = this.#delay.end()
    this.#log.error('worker ended', { worker: this.number, pid, how, restartInMs })
    this.#timer = setTimeout(() => this.#spawn(), restartInMs)
  }
}
