import { Environment } from '@marcbachmann/cel-js'
import { fail, ok, type Result } from '../base/result.ts'
import type { FactsRead, PolicyFacts } from './facts.ts'

/** A compiled CEL expression. */
export interface Expression extends FactsRead {
  /**
   * Whether the facts make the expression true. Anything but `true` is no, and so is an error, such as a claim that
   * the token does not have: what a condition cannot find out, it does not permit.
   */
  holds(facts: PolicyFacts): boolean
}

/** Compiles and type-checks an expression. The error is one sentence for the author of the policy. */
export function compileExpression(source: string): Result<Expression, string> {
  try {
    environment ??= createEnvironment()
    const checked = environment.check(source)
    if (!checked.valid) return fail(firstLine(checked.error))
    if (checked.type !== 'bool' && checked.type !== 'dyn') return fail(`is a ${checked.type}, not a bool`)
    const run = environment.parse(source)
    return ok({
      holds(facts) {
        try {
          return run(facts) === true
        } catch {
          return false
        }
      },
      readsRequest: /\brequest\b/.test(source),
      // Any other way to use the request, such as by a computed name or as a whole, could reach them.
      readsHeaders: /\brequest\b(?!\.(?:method|path|host)\b)/.test(source),
    })
  } catch (error) {
    return fail(firstLine(error))
  }
}

/** Made for the first expression: loading the library is a part of the start, and many policies have none. */
let environment: Environment | undefined

function createEnvironment(): Environment {
  return new Environment({ unlistedVariablesAreDyn: false, limits: { maxAstNodes: 2_000, maxDepth: 64 } })
    .registerVariable('subject', 'map')
    .registerVariable('actor', 'map')
    .registerVariable('client', 'map')
    .registerVariable('token', 'map')
    .registerVariable('request', 'map')
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n')[0] ?? message
}
