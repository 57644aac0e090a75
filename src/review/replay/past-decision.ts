import type { SubjectKind } from '../../model/subject-kind.ts'
import type { ExchangeMode } from '../../oauth/exchange-mode.ts'
import type { ScopeSet } from '../../oauth/scope-set.ts'
import type { Fact, PartialQuestion } from '../partial-case.ts'

/** A decision of the past, with what the record holds of the question. */
export interface PastDecision {
  /** As the record has it. */
  readonly time: string
  /** The client that asked, or was to ask, the token service. */
  readonly client: string
  readonly audience: Fact<string>
  /** What may have been asked for: a denial does not say. */
  readonly modes: readonly ExchangeMode[]
  /** The least and the most that may have been asked for. */
  readonly least: Fact<ScopeSet>
  readonly most: Fact<ScopeSet>
  /** Undefined when a machine asked for itself. */
  readonly subject: PartialQuestion['subject']
  /** What the subject may have been, where the record does not say. */
  readonly kinds: readonly SubjectKind[]
  /** Who may have acted: one of these. */
  readonly actors: readonly PartialQuestion['actor'][]
  readonly caseId: Fact<string | undefined>
  readonly environment: Fact<string | undefined>
  readonly now: Fact<number>
  /** How the person whose login counts had authenticated. */
  readonly login: PartialQuestion['login']
  /** The approval that it rested on. */
  readonly approval: PartialQuestion['approval']
  readonly server: Fact<string>
  /** Whether it was about a ticket; undefined: it was not. */
  readonly ticket: PartialQuestion['ticket']
  readonly before: { readonly effect: 'permit' | 'deny'; readonly rule: string }
  /** By whom it was decided then: a rule of a policy, or only the route itself, whose rules are not replayed. */
  readonly decidedBy: 'policy' | 'route'
  /**
   * Whether what is asked of every question before its rules was in order: who acts for whom, `may_act`, and that there
   * are not two cases. The record does not hold it, so without this a permit cannot be certain.
   */
  readonly isInOrder: boolean
}
