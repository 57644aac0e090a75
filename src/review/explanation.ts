import type { RefusalCode } from '../model/refusal.ts'

/** What a sidecar would do with one request, stage by stage, and why. Holds claims of tokens, and never a token. */
export interface Explanation {
  /** The sidecar's configuration, as it was named. */
  readonly file: string
  readonly service: string
  readonly method: string
  readonly url: string
  readonly stages: readonly StageReport[]
  readonly conclusion: Conclusion
}

export interface StageReport {
  readonly stage: 'accept' | 'authenticate' | 'authorize' | 'exchange'
  /**
   * `unproven`: it passed as far as that could be found out here, and a running sidecar finds out more. `described`: what
   * it would do, which was not done.
   */
  readonly outcome: 'passed' | 'refused' | 'unproven' | 'described' | 'not reached'
  readonly facts: readonly Fact[]
}

/** Something that a stage saw. */
export interface Fact {
  readonly name: string
  readonly value: string | readonly string[] | Readonly<Record<string, unknown>>
}

export type Conclusion =
  /** `forward`: a public route, to which no token goes. */
  | { readonly would: 'exchange' | 'forward'; readonly unproven: readonly string[] }
  | { readonly would: 'refuse'; readonly refusal: ExplainedRefusal; readonly unproven: readonly string[] }

/** A refusal as the caller would see it, and its reason, which only the record has. */
export interface ExplainedRefusal {
  readonly code: RefusalCode
  readonly reason: string
  readonly status: number
  readonly title: string
  /** `WWW-Authenticate`. */
  readonly challenge: string | undefined
}
