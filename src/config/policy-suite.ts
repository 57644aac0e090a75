import type { EpochSeconds } from '../base/clock.ts'
import type { RefusalCode } from '../model/refusal.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { StepUp } from '../oauth/step-up.ts'
import type { Approval, PolicyDocument } from '../policy/document.ts'
import type { SidecarConfig, StsConfig } from './sidecar-config.ts'

/** Tests of a policy: what is asked, and what must be answered. Validated and frozen. */
export interface PolicySuite {
  /** As it was named. */
  readonly file: string
  /** The policy that questions are put to; undefined when there are only requests, which are decided by their sidecar's. */
  readonly policy: NamedPolicy | undefined
  /** Whether that policy takes the place of those that sidecars name. */
  readonly isForSidecars: boolean
  /** Issuer identifier of the token service that the policy is for. */
  readonly server: string
  /** What that token service is configured to give its clients; undefined when only the policy is known. */
  readonly hub: StsConfig | undefined
  /** What bounds every token that it issues. */
  readonly bounds: Pick<StsConfig, 'maxTtlSeconds' | 'maxActorDepth' | 'maxActorBytes' | 'maxActorVisits'>
  readonly cases: readonly PolicyCase[]
}

export interface NamedPolicy {
  readonly file: string
  readonly document: PolicyDocument
}

export interface PolicyCase {
  readonly name: string
  /** Where it stands in the file. */
  readonly line: number
  readonly now: EpochSeconds
  readonly asked: AskedQuestion | AskedRequest
  readonly expect: Expectation
}

/** Claims of a token. */
export type Claims = Readonly<Record<string, unknown>>

/** A question at the token service: one client asks for one token. */
export interface AskedQuestion {
  readonly kind: 'question'
  readonly mode: ExchangeMode
  readonly client: string
  /** Undefined exactly when a machine asks for itself. */
  readonly subject: Claims | undefined
  readonly actor: Claims | undefined
  readonly audience: string
  readonly scope: ScopeSet
  readonly caseId: string | undefined
  readonly environment: string | undefined
  readonly approval: GivenApproval | undefined
}

/** A request that arrives at a sidecar. */
export interface AskedRequest {
  readonly kind: 'request'
  /** The sidecar's file, as messages name it. */
  readonly file: string
  readonly config: SidecarConfig
  readonly method: string
  readonly url: URL
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  /** The token in `Authorization`; undefined when the request brings none. */
  readonly token: Claims | undefined
  /** The token in the header that the sidecar declares for it. */
  readonly actor: Claims | undefined
  readonly approval: GivenApproval | undefined
}

/** An approval that somebody gave. What is absent is what the case is about. */
export interface GivenApproval extends Partial<Omit<Approval, 'id' | 'approver' | 'expiresAt'>> {
  readonly approver: string
  readonly expiresAt: EpochSeconds
}

/** What must be answered. What is absent does not matter. */
export interface Expectation {
  readonly decision: 'permit' | 'deny'
  /** The rule that decides, or that came closest. */
  readonly rule?: string
  /** A part of the denial's reason. */
  readonly reason?: string
  /** The scope that is granted, no more and no less. */
  readonly scope?: ScopeSet
  /** The life of the issued token. */
  readonly lifeSeconds?: number
  readonly mode?: ExchangeMode
  /** `sub` of the subject of the issued token. */
  readonly subject?: string
  /** `sub` of every actor in the issued token's `act`, the current one first. */
  readonly act?: readonly string[]
  readonly stepUp?: StepUp
  /** Who could approve what is missing nothing else. */
  readonly approvers?: readonly string[]
  /** The route that a request is for. */
  readonly route?: string
  /** How the sidecar refuses a request. */
  readonly refusal?: RefusalCode
}
