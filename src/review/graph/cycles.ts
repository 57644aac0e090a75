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

/** Cycles enough that every exchange which is on one is on one of these. */
export function findCycles(reach: Reach): readonly Cycle[] {
  const cycles: Cycle[] = []
  const told = new Set<Step>()
  for (const { token, depth } of reach.reached) {
    for (const step of reach.stepsFrom.get(tokenKey(token)) ?? []) {
      if (told.has(step)) continue
      const steps = shortestReturn(reach, step, depth)
      if (steps === undefined) continue
      for (const one of steps) told.add(one)
      cycles.push({ steps, isBounded: growth(steps, depth) > 0 })
    }
  }
  return cycles.filter(({ steps, isBounded }) => !isBounded || canReturn(steps))
}

interface Walk {
  readonly key: string
  readonly depth: number
  readonly step: Step
  readonly before: Walk | undefined
}

/** The way back to where a step begins with the fewest actors added, the step first, within every depth that is accepted. */
function shortestReturn(reach: Reach, first: Step, depth: number): readonly Step[] | undefined {
  const goal = tokenKey(first.from)
  const best = new Map<string, number>()
  const waiting: Walk[] = []
  let found: Walk | undefined
  const go = (step: Step, depthBefore: number, before: Walk | undefined): void => {
    const { outcome } = step
    const after = outcome.depthAfter(depthBefore)
    if (depthBefore > outcome.deepestIn || after > outcome.deepestOut) return
    const key = tokenKey(outcome.token)
    if ((best.get(key) ?? Number.POSITIVE_INFINITY) <= after) return
    best.set(key, after)
    const walk: Walk = { key, depth: after, step, before }
    if (key === goal) found = walk
    else waiting.push(walk)
  }
  go(first, depth, undefined)
  for (let index = 0; index < waiting.length; index++) {
    const walk = waiting[index] as Walk
    for (const step of reach.stepsFrom.get(walk.key) ?? []) go(step, walk.depth, walk)
  }
  return found && stepsOf(found)
}

function stepsOf(last: Walk): readonly Step[] {
  const steps: Step[] = []
  for (let walk: Walk | undefined = last; walk !== undefined; walk = walk.before) steps.unshift(walk.step)
  return steps
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
