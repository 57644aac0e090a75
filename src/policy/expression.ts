import { Environment } from '@marcbachmann/cel-js'
import { fail, ok, type Result } from '../base/result.ts'
import { findCost } from './expression-cost.ts'
import type { FactsRead, PolicyFacts } from './facts.ts'
import type { OccasionFacts } from './occasion-facts.ts'

/** A compiled CEL expression. */
export interface Expression extends FactsRead {
  /**
   * Whether the facts make the expression true. Anything but `true` is no, and so is an error, such as a claim that
   * the token does not have: what a condition cannot find out, it does not permit.
   */
  holds(facts: PolicyFacts): boolean
}

/** Compiles and type-checks an expression over {@link PolicyFacts}. The error is one sentence for the author. */
export function compileExpression(source: string): Result<Expression, string> {
  const compiled = compile<PolicyFacts>(source, 'request')
  return compiled.ok
    ? ok({
        holds: compiled.value,
        readsRequest: /\brequest\b/.test(source),
        // Any other way to use the request, such as by a computed name or as a whole, could reach them.
        readsHeaders: /\brequest\b(?!\.(?:method|path|host)\b)/.test(source),
      })
    : compiled
}

/** Whether the facts make a condition true; an error is no. */
export type Condition = (facts: OccasionFacts) => boolean

/**
 * Compiles and type-checks the `when` of a rule, over {@link OccasionFacts}: it is asked at the token service too, where
 * there is no request. The error is one sentence for the author.
 */
export function compileCondition(source: string): Result<Condition, string> {
  return compile<OccasionFacts>(source, 'context')
}

/** What is asked on this occasion: the one variable in which the two kinds of expressions differ. */
type Occasion = 'request' | 'context'

function compile<Facts extends Record<string, unknown>>(
  source: string,
  occasion: Occasion,
): Result<(facts: Facts) => boolean, string> {
  try {
    environments[occasion] ??= createEnvironment(occasion)
    const environment = environments[occasion]
    const checked = environment.check(source)
    if (!checked.valid) return fail(firstLine(checked.error))
    if (checked.type !== 'bool' && checked.type !== 'dyn') return fail(`is a ${checked.type}, not a bool`)
    const run = environment.parse(source)
    const cost = findCost(run.ast)
    if (cost !== undefined) return fail(cost)
    return ok(facts => {
      try {
        return run(facts) === true
      } catch {
        return false
      }
    })
  } catch (error) {
    return fail(firstLine(error))
  }
}

/** Made for the first expression: loading the library is a part of the start, and many policies have none. */
const environments: Partial<Record<Occasion, Environment>> = {}

function createEnvironment(occasion: Occasion): Environment {
  return new Environment({ unlistedVariablesAreDyn: false, limits: { maxAstNodes: 2_000, maxDepth: 64 } })
    .registerVariable('subject', 'map')
    .registerVariable('actor', 'map')
    .registerVariable('client', 'map')
    .registerVariable('token', 'map')
    .registerVariable(occasion, 'map')
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n')[0] ?? message
}
