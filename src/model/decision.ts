import type { EpochSeconds } from '../base/clock.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { StepUp } from '../oauth/step-up.ts'

/** What a policy engine answers. A permit can only narrow what the route asks for, never widen it. */
export type Decision =
  | {
      readonly effect: 'permit'
      readonly rule: string
      readonly scope?: ScopeSet
      readonly ttlSeconds?: number
      /** What the rule permits; a permit for one mode is none for another. Absent: the rule has no say in it. */
      readonly mode?: ExchangeMode
      /** The permit itself ends then, as an approval does. */
      readonly notAfter?: EpochSeconds
      /** The approval that it rests on. */
      readonly approval?: { readonly id: string; readonly approver: string }
    }
  | {
      readonly effect: 'deny'
      readonly rule: string
      readonly reason: string
      /** It would be permitted after this: the refusal is a step-up challenge (RFC 9470) instead of a 403. */
      readonly stepUp?: StepUp
      /** All that is missing is the approval of one of these people. */
      readonly approvers?: readonly string[]
      /** Nobody could be asked: the refusal is a 503, and says nothing about the caller. */
      readonly unavailable?: true
    }
