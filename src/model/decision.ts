import type { ScopeSet } from '../oauth/scope-set.ts'

/** What a policy engine answers. A permit can only narrow what the route asks for, never widen it. */
export type Decision =
  | {
      readonly effect: 'permit'
      readonly rule: string
      readonly scope?: ScopeSet
      readonly ttlSeconds?: number
    }
  | { readonly effect: 'deny'; readonly rule: string; readonly reason: string }
