import type { EpochSeconds } from '../base/clock.ts'
import type { SubjectKind } from '../model/subject-kind.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { Authentication } from '../oauth/step-up.ts'
import type { Approval, PolicyClient } from '../policy/document.ts'
import type { ActingParty } from '../policy/party.ts'
import type { PolicyContext } from '../policy/question.ts'
import type { Case, Check } from '../policy/rule.ts'

/** Stands for a fact that nobody knows. Absent is something else: a fact that is known not to be there. */
export const unknown: unique symbol = Symbol('unknown')

export type Fact<T> = T | typeof unknown

/** What is known of a party; `claims` are unknown unless they are all there. */
export interface KnownParty {
  readonly subject: Fact<string>
  readonly issuer: Fact<string>
  readonly tenant: Fact<string | undefined>
  readonly roles: Fact<readonly string[]>
  readonly claims: Fact<Readonly<Record<string, unknown>>>
}

/** A question to the policy of which not everything is known. */
export interface PartialQuestion {
  readonly client: PolicyClient
  readonly audience: string
  readonly scope: ScopeSet
  /** Undefined when a machine asks for itself. */
  readonly subject: (KnownParty & { readonly kind: Fact<SubjectKind> }) | undefined
  /** Undefined when nobody acts. */
  readonly actor: Fact<(KnownParty & { readonly kind: ActingParty['kind'] }) | undefined>
  readonly caseId: Fact<string | undefined>
  readonly environment: Fact<string | undefined>
  readonly now: Fact<EpochSeconds>
  /** How the person whose login counts had authenticated; absent is unknown. */
  readonly login?: Fact<Authentication>
  /** Absent is unknown. */
  readonly approval?: Fact<Approval>
  /** Issuer identifier of the token service. */
  readonly server: Fact<string>
  /** Undefined when it is about no ticket. */
  readonly ticket: Fact<Case['ticket']>
}

export type Answer = 'yes' | 'no' | 'unknown'

/** Hears why answers are as they are. */
export interface CaseListener {
  /** Which fact a check looked at in vain. */
  readonly onUnknown?: (fact: string) => void
  /** What the case certainly lacks. */
  readonly onLack?: (what: string) => void
}

/** Whether a check holds. Its answer counts only when it looked at nothing unknown. */
export type AskCheck = (check: Check) => Answer

/**
 * Prepares a case for the checks of rules, the very ones that decide at runtime. A check that looks at an unknown fact is
 * stopped there, and its answer is `unknown`, whatever it would have made of it; so `yes` and `no` are certain.
 *
 * What a condition in CEL sees is always unknown.
 */
export function createPartialCase(
  question: PartialQuestion,
  { onUnknown, onLack }: CaseListener = {},
): AskCheck {
  const reading: Reading = { isUnknown: false, onUnknown }
  const { client, audience, scope, server } = question
  const asked = lazily<Case>(reading, '', {
    client,
    audience,
    scope,
    server,
    subject: question.subject && partyOf(reading, "the subject's ", question.subject),
    actor:
      question.actor === unknown
        ? unknown
        : question.actor && partyOf(reading, "the actor's ", question.actor),
    login: question.login ?? unknown,
    caseId: question.caseId,
    context: lazily(reading, '', {
      now: question.now,
      environment: question.environment,
      caseId: question.caseId,
      approval: question.approval ?? unknown,
    } satisfies Record<keyof PolicyContext, unknown>),
    facts: unknown,
    ticket: question.ticket,
  } satisfies Record<keyof Case, unknown>)
  return check => {
    reading.isUnknown = false
    try {
      const lack = check(asked)
      if (reading.isUnknown) return 'unknown'
      if (lack === undefined) return 'yes'
      onLack?.(lack.what)
      return 'no'
    } catch (error) {
      if (error instanceof UnknownFact) return 'unknown'
      throw error
    }
  }
}

/** Whether every check of a rule holds: one `no` is enough for no. */
export function askAll(checks: Iterable<Check>, ask: AskCheck): Answer {
  let answer: Answer = 'yes'
  for (const check of checks) {
    const one = ask(check)
    if (one === 'no') return 'no'
    if (one === 'unknown') answer = 'unknown'
  }
  return answer
}

class UnknownFact extends Error {}

interface Reading {
  /** Set as well as thrown: a check that handles errors must not turn an unknown into an answer. */
  isUnknown: boolean
  readonly onUnknown: CaseListener['onUnknown']
}

function partyOf(reading: Reading, prefix: string, party: KnownParty & { readonly kind?: unknown }): unknown {
  const { subject, issuer, tenant, roles, claims, kind } = party
  return lazily(reading, prefix, {
    subject,
    issuer,
    tenant,
    roles,
    claims,
    kind,
    token: unknown,
  } satisfies Record<keyof ActingParty | keyof NonNullable<Case['subject']>, unknown>)
}

/** An object whose unknown members throw when they are read. */
function lazily<T>(reading: Reading, prefix: string, members: Readonly<Record<string, unknown>>): T {
  const object = Object.create(null)
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(object, name, {
      enumerable: true,
      get() {
        if (value !== unknown) return value
        reading.isUnknown = true
        reading.onUnknown?.(prefix + name)
        throw new UnknownFact(name)
      },
    })
  }
  return object
}
