import { LruMap } from '../../base/lru-map.ts'
import type { Refusal, RefusalCode } from '../../model/refusal.ts'

/**
 * The refusals that would be the same a moment later: the server judged this very request. Not those that end when the
 * server, our credentials or the user's session at the server change.
 */
const lasting: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  'exchange.denied',
  'exchange.subject_rejected',
])

const maxEntries = 10_000

/** Remembers for seconds that the authorization server said no, per exact cache key and never for a subject at large. */
export class NegativeAnswers {
  readonly #answers = new LruMap<{ readonly refusal: Refusal; readonly untilMs: number }>({ maxEntries })
  readonly #keepMs: number

  /** @param keepSeconds 0 remembers nothing */
  constructor(keepSeconds: number) {
    this.#keepMs = keepSeconds * 1000
  }

  get(id: string, nowMs: number): Refusal | undefined {
    const answer = this.#answers.get(id)
    if (answer === undefined || nowMs < answer.untilMs) return answer?.refusal
    this.#answers.delete(id)
    return undefined
  }

  /** Keeps a refusal if it is one that lasts. */
  note(id: string, refusal: Refusal, nowMs: number): void {
    if (this.#keepMs <= 0 || !lasting.has(refusal.code)) return
    const remembered = { ...refusal, detail: `${refusal.detail} (remembered)` }
    this.#answers.set(id, { refusal: remembered, untilMs: nowMs + this.#keepMs })
  }

  forget(id: string): void {
    this.#answers.delete(id)
  }
}
