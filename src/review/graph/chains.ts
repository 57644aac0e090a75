import type { Reach, Step } from './reach.ts'
import { tokenKey } from './token-class.ts'

/** Chains of hops that an entry leads to. */
export interface Chains {
  readonly chains: readonly (readonly Step[])[]
  /** Whether there are more than are listed. */
  readonly isCut: boolean
}

/**
 * Every chain that passes no class of tokens twice, shorter ones first, within the depth of actors that is accepted. What lies on
 * a cycle can be repeated; cycles are reported by themselves.
 */
export function findChains({ entry, stepsFrom, reached }: Reach, most = 1_000): Chains {
  interface Walk {
    readonly steps: readonly Step[]
    readonly depth: number
    readonly passed: ReadonlySet<string>
  }
  const first = reached.flatMap(({ steps }) => steps.slice(0, 1))
  const waiting: Walk[] = []
  const extend = (walk: Walk | undefined, step: Step): void => {
    const { outcome } = step
    const before = walk?.depth ?? 0
    const depth = outcome.depthAfter(before)
    const key = tokenKey(outcome.token)
    if (before > outcome.deepestIn || depth > outcome.deepestOut || walk?.passed.has(key)) return
    waiting.push({
      steps: [...(walk?.steps ?? []), step],
      depth,
      passed: new Set([...(walk?.passed ?? []), key]),
    })
  }
  for (const step of new Set(first)) if (step.via === entry.at) extend(undefined, step)
  const chains: (readonly Step[])[] = []
  for (let walk = waiting.shift(); walk !== undefined; walk = waiting.shift()) {
    if (chains.length === most) return { chains, isCut: true }
    chains.push(walk.steps)
    const token = walk.steps.at(-1)?.outcome.token
    for (const step of token === undefined ? [] : (stepsFrom.get(tokenKey(token)) ?? [])) extend(walk, step)
  }
  return { chains, isCut: false }
}
