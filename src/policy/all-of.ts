import type { MaybePromise } from '../base/result.ts'
import type { Decision } from '../model/decision.ts'
import { intersectScope } from '../oauth/scope-set.ts'
import type { PolicyEngine } from './engine.ts'

type Permit = Extract<Decision, { readonly effect: 'permit' }>

/**
 * One engine of several: a request is permitted when each permits it, and as narrow as all of them together. They are asked in
 * order, and the first denial is the answer. A permit has the name of the last rule.
 */
export function createAllOf(engines: readonly [PolicyEngine, ...PolicyEngine[]]): PolicyEngine {
  const [first, ...rest] = engines
  if (rest.length === 0) return first
  const joined = new WeakMap<Permit, WeakMap<Permit, Permit>>()

  const join = (a: Permit, b: Permit): Permit => {
    let partners = joined.get(a)
    if (partners === undefined) {
      partners = new WeakMap()
      joined.set(a, partners)
    }
    const known = partners.get(b)
    if (known !== undefined) return known
    const both = joinPermits(a, b)
    partners.set(b, both)
    return both
  }

  return {
    decide(request, token, actorToken) {
      const ask = (before: Permit, engine: PolicyEngine): MaybePromise<Decision> => {
        const decision = engine.decide(request, token, actorToken)
        if (decision instanceof Promise) {
          return decision.then(decided => (decided.effect === 'permit' ? join(before, decided) : decided))
        }
        return decision.effect === 'permit' ? join(before, decision) : decision
      }
      const from = (decided: Decision, next: number): MaybePromise<Decision> => {
        let decision = decided
        for (let index = next; index < rest.length; index++) {
          if (decision.effect !== 'permit') return decision
          const answer = ask(decision, rest[index] as PolicyEngine)
          if (answer instanceof Promise) return answer.then(later => from(later, index + 1))
          decision = answer
        }
        return decision
      }
      const decision = first.decide(request, token, actorToken)
      return decision instanceof Promise ? decision.then(decided => from(decided, 0)) : from(decision, 0)
    },
  }
}

/** Both permit, so only what both permit is permitted. */
export function joinPermits(a: Permit, b: Permit): Permit {
  const scope = a.scope && b.scope ? intersectScope(a.scope, b.scope) : (a.scope ?? b.scope)
  const ttlSeconds = earlier(a.ttlSeconds, b.ttlSeconds)
  const notAfter = earlier(a.notAfter, b.notAfter)
  const mode = b.mode ?? a.mode
  const approval = b.approval ?? a.approval
  return Object.freeze({
    effect: 'permit',
    rule: b.rule,
    ...(scope !== undefined && { scope }),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    ...(notAfter !== undefined && { notAfter }),
    ...(mode !== undefined && { mode }),
    ...(approval !== undefined && { approval }),
  })
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b
  return b === undefined ? a : Math.min(a, b)
}
