import type { Readiness } from '../admin-server.ts'
import type { WorkerSettings, WorkerStart } from './messages.ts'
import type { WorkerLife } from './worker-life.ts'
import { type SlotDependencies, WorkerSlot } from './worker-slot.ts'

export interface WorkerSetOptions extends Omit<SlotDependencies, 'start'> {
  readonly count: number
  readonly settings: WorkerSettings
  /** Whether the audit trail takes events, at the start. */
  readonly isAuditAccepting: boolean
}

/** How often each worker is asked for its metrics, which is also how soon one that hangs is noticed. */
const watchMs = 5_000
/** A scrape waits this long for workers, and goes on with what they said last. */
const metricsTimeoutMs = 1_000

/** All workers of a sidecar. */
export class WorkerSet {
  readonly #slots: readonly WorkerSlot[]
  #settings: WorkerSettings
  #isAuditAccepting: boolean
  #watching: NodeJS.Timeout | undefined

  constructor({ count, settings, isAuditAccepting, ...deps }: WorkerSetOptions) {
    this.#settings = settings
    this.#isAuditAccepting = isAuditAccepting
    const start = (): WorkerStart => ({
      settings: this.#settings,
      workers: count,
      isAuditAccepting: this.#isAuditAccepting,
    })
    this.#slots = Array.from({ length: count }, (_, index) => new WorkerSlot(index + 1, { ...deps, start }))
  }

  /**
   * Starts every worker.
   *
   * @returns where they listen
   * @throws Error when one of them cannot start; the others are left as they are
   */
  async start(): Promise<string> {
    const [url = ''] = await Promise.all(this.#slots.map(slot => slot.start()))
    this.#watching = setInterval(() => {
      for (const slot of this.#slots) slot.watch()
    }, watchMs)
    return url
  }

  /** How many take requests now. */
  get listening(): number {
    return this.#lives().length
  }

  /**
   * Ready when every worker has listened once and one of those that listen now is ready. A worker that is being
   * replaced is a reason that is told, and none to send the traffic elsewhere.
   */
  get readiness(): Readiness {
    const each = this.#slots.map(({ number, readiness }) => ({ number, ...readiness }))
    return {
      ready: each.some(({ ready }) => ready) && this.#slots.every(slot => slot.hasListened),
      reasons: each.flatMap(({ number, reasons }) => reasons.map(reason => `worker ${number}: ${reason}`)),
    }
  }

  /**
   * Gives every worker another configuration. All or none: when one of them rejects it, the others go back.
   *
   * @returns why not, and then all go on as before
   */
  async reload(settings: WorkerSettings): Promise<string | undefined> {
    const answers = await Promise.all(this.#lives().map(life => life.reload(settings)))
    const rejected = answers.find(answer => answer !== undefined)
    if (rejected === undefined) this.#settings = settings
    // Some have gone ahead, or have begun to listen with the one before in the meantime.
    await Promise.all(this.#lives().map(life => life.follow(this.#settings)))
    return rejected
  }

  /** Asks every worker for its metrics, and waits for the answers. */
  async askMetrics(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, metricsTimeoutMs)
    await Promise.race([Promise.all(this.#lives().map(life => life.askMetrics())), late])
    clearTimeout(timer)
  }

  /** Tells every worker whether the audit trail takes events. */
  tellAudit(isAccepting: boolean): void {
    this.#isAuditAccepting = isAccepting
    for (const slot of this.#slots) slot.tellAudit(isAccepting)
  }

  /** Lets every worker end what is under way, kills who takes longer than `timeoutMs`, and resolves after the last. */
  async drain(timeoutMs: number): Promise<void> {
    clearInterval(this.#watching)
    const timer = setTimeout(() => {
      for (const slot of this.#slots) slot.kill('its time is over')
    }, timeoutMs)
    await Promise.all(this.#slots.map(slot => slot.drain()))
    clearTimeout(timer)
  }

  #lives(): readonly WorkerLife[] {
    return this.#slots.flatMap(slot => slot.listening ?? [])
  }
}
