import type { RefusalCode } from '../model/refusal.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { StepUp } from '../oauth/step-up.ts'

/** What became of a case. What was never found out is undefined. */
export interface Outcome {
  readonly decision: 'permit' | 'deny'
  /** The route of a request at a sidecar. */
  readonly route: string | undefined
  /** The rule that permitted, or that came closest. */
  readonly rule: string | undefined
  /** Why not. */
  readonly reason: string | undefined
  /** How the sidecar refuses the request. */
  readonly refusal: RefusalCode | undefined
  readonly stepUp: StepUp | undefined
  readonly approvers: readonly string[] | undefined
  /** The token that is issued; undefined for a denial. */
  readonly granted: Granted | undefined
}

/** The token that is issued, as far as it can be known before it is. */
export interface Granted {
  readonly mode: ExchangeMode
  readonly subject: string
  readonly audience: string
  readonly scope: ScopeSet
  readonly lifeSeconds: number
  /** `sub` of every actor in `act`, the current one first. */
  readonly act: readonly string[]
}

/** A denial about which nothing else is known. */
export const denied: Outcome = Object.freeze({
  decision: 'deny',
  route: undefined,
  rule: undefined,
  reason: undefined,
  refusal: undefined,
  stepUp: undefined,
  approvers: undefined,
  granted: undefined,
})
