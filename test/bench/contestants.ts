import type { Contestant } from './contestant.ts'
import { sidecars } from './contestants/sidecars.ts'
import { yardsticks } from './contestants/yardsticks.ts'

/** Every row, in the order of the table. */
export const contestants: readonly Contestant[] = [...yardsticks, ...sidecars]

/**
 * The contestants of those names, in the order of the table; all of them when none is named.
 *
 * @throws Error for a name that nobody has
 */
export function selectContestants(names: readonly string[]): readonly Contestant[] {
  const known = contestants.map(({ name }) => name)
  const unknown = names.find(name => !known.includes(name))
  if (unknown !== undefined)
    throw new Error(`no contestant is called ${unknown}; there are: ${known.join(', ')}`)
  return names.length === 0 ? contestants : contestants.filter(({ name }) => names.includes(name))
}
