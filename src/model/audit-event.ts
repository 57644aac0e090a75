import type { EpochSeconds } from '../base/clock.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { Decision } from './decision.ts'
import type { Delivery } from './delivery.ts'
import type { TokenSource } from './issued-token.ts'
import type { RefusalCode } from './refusal.ts'
import type { RouteId } from './route.ts'
import type { SubjectKind } from './subject-kind.ts'

/** The stages of a hop, in order; also the names of the folders in `src/hop`. */
export type StageName = 'accept' | 'authenticate' | 'authorize' | 'exchange' | 'forward'

/** The record of one hop: who acted for whom, under which decision, with what outcome. Holds no token. */
export interface AuditEvent {
  /** Unique, and sortable by time. */
  readonly id: string
  readonly at: EpochSeconds
  readonly requestId: string
  readonly traceId: string | undefined
  /** The `traceparent` that upstream got (W3C Trace Context §3.2), holding {@link traceId}. */
  readonly traceparent?: string | undefined
  readonly route: RouteId | undefined
  readonly method: string
  /** Path without query; segments that look like a token are replaced. */
  readonly path: string
  readonly peer: string
  /**
   * `forwarded`: upstream answered. `answered`: the request was for this hop itself. `refused`: a decision. `failed`:
   * something that should work did not.
   */
  readonly outcome: 'forwarded' | 'answered' | 'refused' | 'failed'
  /** The status that the caller got. */
  readonly status: number
  readonly refusal: RefusalCode | undefined
  readonly detail: string | undefined
  readonly inbound: InboundFacts | undefined
  readonly outbound: OutboundFacts | undefined
  /** The Transaction Token that came or was issued, and went along. */
  readonly transaction?: TransactionFacts | undefined
  /** Who acted for the subject, with a token of their own. */
  readonly person: PersonFacts | undefined
  /** The case that the request named. */
  readonly caseId: string | undefined
  /** The rule that decided, and how. */
  readonly decision: DecisionFacts | undefined
  readonly delivery: Delivery | undefined
  /** Milliseconds in each stage that ran. */
  readonly stageMs: Readonly<Partial<Record<StageName, number | undefined>>>
}

/** A decision as it is recorded. */
export interface DecisionFacts {
  readonly rule: string
  readonly effect: 'permit' | 'deny'
  /** What a rule of the policy permitted; absent when only the route's own rules decided. */
  readonly mode?: ExchangeMode
  readonly approval?: { readonly id: string; readonly approver: string }
  readonly question?: QuestionFacts
}

/**
 * What a policy was asked, by the names that the record has for it. What is absent was not there. Claims are not kept: they
 * may say more of a person than the record should.
 */
export interface QuestionFacts {
  readonly mode: ExchangeMode
  readonly aud: string
  readonly scope: string
  /** Absent when a machine asks for itself. */
  readonly subject?: {
    readonly iss: string
    readonly sub: string
    readonly kind: SubjectKind
    readonly tenant?: string
  }
  /** Absent when nobody acts. */
  readonly actor?: {
    readonly iss: string
    readonly sub: string
    readonly kind: 'person' | 'client' | 'other'
    readonly tenant?: string
    readonly roles?: readonly string[]
  }
  readonly case_id?: string
  readonly ticket?: { readonly step: 'issue' | 'redeem'; readonly purpose: string }
  /** Of the login that counts: the acting person's, else the subject's. */
  readonly acr?: string
  readonly auth_time?: EpochSeconds
  readonly environment?: string
}

/**
 * What is recorded of a decision.
 *
 * @param question absent when no policy was asked, or the question was not in order
 */
export function decisionFacts(decision: Decision, question?: QuestionFacts): DecisionFacts {
  const { rule, effect } = decision
  const asked = question !== undefined && { question }
  if (decision.effect === 'deny') return { rule, effect, ...asked }
  const { mode, approval } = decision
  return {
    rule,
    effect,
    ...(mode !== undefined && { mode }),
    ...(approval !== undefined && { approval }),
    ...asked,
  }
}

/** What the token of a person who acts said. */
export interface PersonFacts {
  readonly issuer: string
  readonly subject: string
  readonly tokenId: string | undefined
  readonly fingerprint: string
}

/** What the presented token said. */
export interface InboundFacts {
  readonly issuer: string
  readonly subject: string
  readonly clientId: string | undefined
  readonly kind: SubjectKind
  readonly actors: readonly string[]
  readonly scope: string
  readonly tokenId: string | undefined
  readonly fingerprint: string
}

/** A Transaction Token; it is about the same `txn` as long as the call chain goes on. */
export interface TransactionFacts {
  readonly tokenId: string | undefined
  readonly fingerprint: string
}

/** What the issued token says. */
export interface OutboundFacts {
  readonly audience: string
  readonly actors: readonly string[]
  readonly scope: string
  readonly source: TokenSource
  readonly tokenId: string | undefined
  readonly fingerprint: string
  readonly expiresAt: EpochSeconds
}
