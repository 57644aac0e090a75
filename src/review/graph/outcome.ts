import type { SubjectKind } from '../../model/subject-kind.ts'
import { isSameActor, type TokenActor, type TokenClass, tokenKey } from './token-class.ts'

/** What becomes of a class of tokens. */
export interface Outcome {
  readonly token: TokenClass
  /** The rules that may have permitted it, at the gate and at the token service, where there are policies. */
  readonly rules: readonly string[]
  /** How many actors the new chain has, for a chain of so many. */
  depthAfter(depth: number): number
  /** Deepest chain that may arrive, and be issued. */
  readonly deepestIn: number
  readonly deepestOut: number
  /** How often one actor may be in the chain that is issued. */
  readonly mostVisits: number
}

export interface Outcomes {
  readonly outcomes: readonly Outcome[]
  /** Why a token was of no use, where it was not. */
  readonly reasons: readonly string[]
}

export function refused(reason: string): Outcomes {
  return { outcomes: [], reasons: [reason] }
}

export const unlimited: number = Number.POSITIVE_INFINITY

/** How an exchange changes the length of the chain. */
export function depthAfter(before: TokenActor, after: TokenActor): Outcome['depthAfter'] {
  if (after === 'nobody' || after === 'anybody') return () => 0
  return isSameActor(before, after) ? depth => depth : depth => depth + 1
}

/** Puts outcomes together that differ in the kind of subject only. */
export class OutcomeCollector {
  readonly #outcomes = new Map<string, Outcome>()
  readonly #reasons = new Set<string>()

  add({ outcomes, reasons }: Outcomes): void {
    for (const reason of reasons) this.#reasons.add(reason)
    for (const outcome of outcomes) {
      const { rules, token } = outcome
      const key = `${rules.join(' ')} ${tokenKey({ ...token, kinds: [] })}`
      const kinds = new Set<SubjectKind>([...(this.#outcomes.get(key)?.token.kinds ?? []), ...token.kinds])
      this.#outcomes.set(key, { ...outcome, token: { ...token, kinds: [...kinds].sort() } })
    }
  }

  get outcomes(): Outcomes {
    return { outcomes: [...this.#outcomes.values()], reasons: [...this.#reasons] }
  }
}
