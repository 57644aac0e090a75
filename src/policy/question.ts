import type { EpochSeconds } from '../base/clock.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { Approval } from './document.ts'

/** What the policy is asked, at a sidecar before the exchange and at the token service for it. */
export interface PolicyQuestion {
  readonly mode: ExchangeMode
  /** Who authenticates at the token service: its client id. */
  readonly client: string
  readonly audience: string
  /** What the issued token must hold. */
  readonly scope: ScopeSet
  /** Whose token is exchanged; undefined exactly when a machine asks for itself. */
  readonly subject: VerifiedToken | undefined
  /** The verified token of the person who acts, where one came along. */
  readonly actorToken: VerifiedToken | undefined
  /** The exchange is for a ticket, or of one. */
  readonly ticket?: { readonly step: 'issue' | 'redeem'; readonly purpose: string } | undefined
  readonly context: PolicyContext
}

/** The occasion. */
export interface PolicyContext {
  readonly now: EpochSeconds
  /** As the request names it. A `case_id` in the subject token counts as well, and must be the same. */
  readonly caseId: string | undefined
  /** Where this runs, such as `production`: the configuration says so, never the request. */
  readonly environment: string | undefined
  /** A proven approval for this very occasion. */
  readonly approval: Approval | undefined
}
