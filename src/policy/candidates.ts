import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import { intersectScope, type ScopeSet } from '../oauth/scope-set.ts'
import type { PolicyAudience, PolicyDocument, PolicyRule } from './document.ts'
import { type Case, type Check, type CompiledRule, compileRule, type Lack } from './rule.ts'

/** A rule that may permit a case, with the checks that are left to ask in one row. */
export interface Candidate {
  readonly rule: CompiledRule
  /** Its place among the rules. */
  readonly order: number
  readonly checks: readonly Check[]
  /** The step that each check belongs to: a case that fails in a later one came closer. */
  readonly stepOf: readonly number[]
}

/** How far a case got in a rule that it does not satisfy. */
export interface Near {
  readonly candidate: Candidate
  readonly step: number
  readonly lack: Lack
}

/** What is left to ask of one client, kind of subject and kind of actor. */
export interface Candidates {
  /** Those rules that these alone do not rule out, without the checks that they satisfy. */
  readonly rules: readonly Candidate[]
  /** Of the others, the one that comes closest. */
  readonly closest: Near | undefined
}

/** Finds the rules that may permit a case; undefined when none is about this mode and audience. */
export type FindCandidates = (mode: ExchangeMode, asked: Case) => Candidates | undefined

/**
 * Prepares the rules of a document. Clients, kinds of subjects and kinds of actors are few: what is left of the rules for each
 * combination is worked out when it comes first.
 *
 * @throws TypeError for a condition that does not compile; the configuration refuses it before
 */
export function indexRules(document: PolicyDocument): FindCandidates {
  const index = compileRules(document)
  return (mode, asked) => {
    const target = index.get(keyOf(mode, asked.audience))
    if (target === undefined) return undefined
    const kind = kindOf(asked)
    let left = target.byKind.get(kind)
    if (left === undefined) {
      left = leaveOut(target.rules, asked)
      target.byKind.set(kind, left)
    }
    return left
  }
}

/** All rules about a mode and an audience with all their checks, prepared in the same way. */
export function compileTargets(
  document: PolicyDocument,
): (mode: ExchangeMode, audience: string) => readonly Candidate[] {
  const index = compileRules(document)
  return (mode, audience) => index.get(keyOf(mode, audience))?.rules ?? []
}

/** Whether a case that fails in this step of this rule came closer: the first of those that it got furthest in. */
export function isCloser(step: number, { order }: Candidate, near: Near | undefined): boolean {
  if (near === undefined || step > near.step) return true
  return step === near.step && order < near.candidate.order
}

/** What a rule permits at an audience at most. */
export function scopeAt({ scope }: PolicyRule, audience: PolicyAudience): ScopeSet {
  return scope === undefined ? audience.scope : intersectScope(scope, audience.scope)
}

/** The audiences that a rule is about; `own` is about every one that somebody serves. */
export function audiencesOf(rule: PolicyRule, document: PolicyDocument): readonly string[] {
  if (rule.into !== 'own') return rule.into
  return [...document.audiences.values()].filter(({ servedBy }) => servedBy.length > 0).map(({ id }) => id)
}

/** The rules about one mode and audience. */
interface Target {
  readonly rules: Candidate[]
  readonly byKind: Map<string, Candidates>
}

function compileRules(document: PolicyDocument): ReadonlyMap<string, Target> {
  const index = new Map<string, Target>()
  for (const [order, rule] of document.rules.entries()) {
    for (const id of audiencesOf(rule, document)) {
      const audience = document.audiences.get(id)
      if (audience === undefined) throw new TypeError(`rule ${rule.id}: audience ${id} is not there`)
      const key = keyOf(rule.mode, id)
      const target: Target = index.get(key) ?? { rules: [], byKind: new Map() }
      index.set(key, target)
      target.rules.push(flatten(compileRule(rule, scopeAt(rule, audience), audience.servedBy), order))
    }
  }
  return index
}

function flatten(rule: CompiledRule, order: number): Candidate {
  return {
    rule,
    order,
    checks: rule.steps.flat(),
    stepOf: rule.steps.flatMap((checks, step) => checks.map(() => step)),
  }
}

/** A mode has no blank in it, so the pair can be read in one way only. */
function keyOf(mode: ExchangeMode, audience: string): string {
  return `${mode} ${audience}`
}

/** Everything that a standing check may look at. */
function kindOf({ client, subject, actor }: Case): string {
  return `${subject?.kind} ${actor?.kind} ${client.id}`
}

/** Asks the standing checks of all rules, for this case and every other of its kind. */
function leaveOut(rules: readonly Candidate[], asked: Case): Candidates {
  const left: Candidate[] = []
  let closest: Near | undefined
  for (const candidate of rules) {
    const { rule, checks, stepOf } = candidate
    const isOpen = (check: Check): boolean => !rule.standing.has(check)
    const failed = checks.findIndex(check => !isOpen(check) && check(asked) !== undefined)
    const lack = checks[failed]?.(asked)
    const step = stepOf[failed]
    if (lack !== undefined && step !== undefined && !checks.slice(0, failed).some(isOpen)) {
      if (isCloser(step, candidate, closest)) closest = { candidate, step, lack }
      continue
    }
    // What fails for good, but after a check that is still to be asked, is asked in its turn: how far a case gets decides
    // what a denial says.
    const open = checks.flatMap((check, index) => (isOpen(check) || index === failed ? [index] : []))
    left.push({
      ...candidate,
      checks: open.map(index => checks[index] as Check),
      stepOf: open.map(index => stepOf[index] as number),
    })
  }
  return { rules: left, closest }
}
