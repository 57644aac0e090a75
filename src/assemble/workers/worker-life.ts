import type { Readiness } from '../admin-server.ts'
import type { FromWorker, WorkerSettings, WorkerStart } from './messages.ts'
import type { SpawnWorker, WorkerProcess } from './worker-process.ts'

/** What becomes of one worker. */
export interface LifeListener {
  onListening(url: string): void
  onMetrics(text: string): void
  /** The last call. @param how why it did not start, or its exit code or signal */
  onEnded(how: string): void
}

type Answer = Extract<FromWorker, { readonly id: number }>

/** Looks without an answer to the question before, after which a worker counts as stuck: while starting, and later. */
const mostMissed = { starting: 12, listening: 3 }

/** One worker from its start to its end. */
export class WorkerLife {
  readonly #process: WorkerProcess
  readonly #start: () => WorkerStart
  readonly #listener: LifeListener
  readonly #questions = new Map<number, (answer: Answer | undefined) => void>()
  #state: 'starting' | 'listening' | 'ended' = 'starting'
  #settings: WorkerSettings | undefined
  #readiness: Readiness = { ready: false, reasons: ['starting'] }
  #why: string | undefined
  #asking: Promise<void> | undefined
  #missed = 0
  #lastId = 0

  /** @param start asked when the worker can be told */
  constructor(worker: number, spawn: SpawnWorker, start: () => WorkerStart, listener: LifeListener) {
    this.#start = start
    this.#listener = listener
    this.#process = spawn(worker, {
      onMessage: message => this.#hear(message),
      onEnded: how => this.#end(how),
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get output(): WorkerProcess['output'] {
    return this.#process.output
  }

  get isListening(): boolean {
    return this.#state === 'listening'
  }

  get readiness(): Readiness {
    return this.#readiness
  }

  /** What it runs with, or was told to run with last. */
  get settings(): WorkerSettings | undefined {
    return this.#settings
  }

  /** Gives it another configuration. @returns why it goes on with the one before; undefined also when it ends meanwhile */
  async reload(settings: WorkerSettings): Promise<string | undefined> {
    const answer = await this.#ask(id => this.#process.send({ kind: 'reload', id, settings }))
    if (answer?.kind !== 'reloaded') return undefined
    if (answer.rejected === undefined) this.#settings = settings
    return answer.rejected
  }

  /** As {@link reload}, for what the others run with already: who cannot is killed, so that another takes its place. */
  async follow(settings: WorkerSettings): Promise<void> {
    if (this.#settings === settings) return
    const rejected = await this.reload(settings)
    if (rejected !== undefined) this.kill(`it cannot follow the configuration: ${rejected}`)
  }

  /** Asks for its metrics. Resolves when they have come, or when it has ended. */
  askMetrics(): Promise<void> {
    this.#asking ??= this.#ask(id => this.#process.send({ kind: 'metrics', id })).then(answer => {
      this.#asking = undefined
      if (answer?.kind === 'metrics') this.#listener.onMetrics(answer.text)
    })
    return this.#asking
  }

  /**
   * Asks for its metrics, and looks whether it answers at all. To be called every few seconds: what counts are looks
   * without an answer and not time, in which this whole machine may have stood still.
   */
  isStuck(): boolean {
    if (this.#state === 'ended') return false
    const isWaiting = this.#state === 'starting' || this.#asking !== undefined
    this.#missed = isWaiting ? this.#missed + 1 : 0
    if (this.#state === 'listening') void this.askMetrics()
    return this.#missed >= mostMissed[this.#state]
  }

  tellAudit(isAccepting: boolean): void {
    this.#process.send({ kind: 'audit', isAccepting })
  }

  drain(): void {
    this.#process.send({ kind: 'drain' })
  }

  kill(why: string): void {
    this.#why ??= why
    this.#process.kill()
  }

  #ask(send: (id: number) => void): Promise<Answer | undefined> {
    if (this.#state === 'ended') return Promise.resolve(undefined)
    const id = ++this.#lastId
    return new Promise(resolve => {
      this.#questions.set(id, resolve)
      send(id)
    })
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'hello': {
        const start = this.#start()
        this.#settings = start.settings
        this.#process.send({ kind: 'start', ...start })
        return
      }
      case 'listening':
        this.#state = 'listening'
        this.#missed = 0
        this.#listener.onListening(message.url)
        return
      case 'refused':
        this.#why = message.reason
        return
      case 'readiness':
        this.#readiness = message.readiness
        return
      case 'drained':
        this.#listener.onMetrics(message.metrics)
        return
      case 'reloaded':
      case 'metrics':
        this.#questions.get(message.id)?.(message)
        this.#questions.delete(message.id)
    }
  }

  #end(how: string): void {
    this.#state = 'ended'
    this.#readiness = { ready: false, reasons: [how] }
    for (const resolve of this.#questions.values()) resolve(undefined)
    this.#questions.clear()
    this.#listener.onEnded(this.#why ?? how)
  }
}
