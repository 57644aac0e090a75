import type { Reach, Step } from './reach.ts'
import { tokenKey } from './token-class.ts'

/** Exchanges that lead back to tokens like those that they began with, so that they can be done again. */
export interface Cycle {
  readonly steps: readonly Step[]
  /**
   * Whether each round makes the chain of actors longer, so that the token service ends it: a callback. If not, nothing
   * but the life of the first token does.
   */
  readonly isBounded: boolean
}

/** Cycles enough that every exchange which is on one is on one of these, each as short as can be. */
export function findCycles(reach: Reach): readonly Cycle[] {
  const cycles = new Map<string, Cycle>()
  for (const { token, depth } of reach.reached) {
    for (const step of reach.stepsFrom.get(tokenKey(token)) ?? []) {
      const steps = shortestReturn(reach, step, depth)
      if (steps === undefined) continue
      const key = steps
        .map(({ from, outcome }) => `${tokenKey(from)} ${tokenKey(outcome.token)}`)
        .toSorted()
        .join('\n')
      if (!cycles.has(key)) cycles.set(key, { steps, isBounded: growth(steps, depth) > 0 })
    }
  }
  return [...cycles.values()].filter(({ steps, isBounded }) => !isBounded || canReturn(steps))
}

interface Walk {
  readonly key: string
  readonly depth: number
  readonly steps: readonly Step[]
}

/** The way back to where a step begins with the fewest actors added, the step first, within every depth that is accepted. */
function shortestReturn(reach: Reach, first: Step, depth: number): readonly Step[] | undefined {
  const goal = tokenKey(first.from)
  const best = new Map<string, number>()
  const waiting: Walk[] = []
  let found: Walk | undefined
  const go = (step: Step, before: Pick<Walk, 'depth' | 'steps'>): void => {
    const { outcome } = step
    const after = outcome.depthAfter(before.depth)
    if (before.depth > outcome.deepestIn || after > outcome.deepestOut) return
    const key = tokenKey(outcome.token)
    if ((best.get(key) ?? Number.POSITIVE_INFINITY) <= after) return
    best.set(key, after)
    const walk: Walk = { key, depth: after, steps: [...before.steps, step] }
    if (key === goal) found = walk
    else waiting.push(walk)
  }
  go(first, { depth, steps: [] })
  for (let walk = waiting.shift(); walk !== undefined; walk = waiting.shift()) {
    for (const step of reach.stepsFrom.get(walk.key) ?? []) go(step, walk)
  }
  return found?.steps
}

function growth(steps: readonly Step[], depth: number): number {
  const once = steps.reduce((before, { outcome }) => outcome.depthAfter(before), depth)
  const twice = steps.reduce((before, { outcome }) => outcome.depthAfter(before), once)
  return twice - once
}

/** Where an actor may be in a chain only once, a chain that grows never comes back. */
function canReturn(steps: readonly Step[]): boolean {
  return steps.every(({ outcome }) => outcome.mostVisits > 1)
}
