import type { ScopeSet } from '../oauth/scope-set.ts'
import type { StepUp } from '../oauth/step-up.ts'

/** What a policy engine answers. A permit can only narrow what the route asks for, never widen it. */
export type Decision =
  | {
      readonly effect: 'permit'
      readonly rule: string
      readonly scope?: ScopeSet
      readonly ttlSeconds?: number
    }
  | {
      readonly effect: 'deny'
      readonly rule: string
      readonly reason: string
      /** It would be permitted after this: the refusal is a step-up challenge (RFC 9470) instead of a 403. */
      readonly stepUp?: StepUp
      /** Nobody could be asked: the refusal is a 503, and says nothing about the caller. */
      readonly unavailable?: true
    }
