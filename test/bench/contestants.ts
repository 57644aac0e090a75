import type { Contestant } from './contestant.ts'
import { exchanges } from './contestants/exchanges.ts'
import { flatness } from './contestants/flatness.ts'
import { plainProxies } from './contestants/plain-proxies.ts'
import { sidecars } from './contestants/sidecars.ts'
import { workers } from './contestants/workers.ts'
import { yardsticks } from './contestants/yardsticks.ts'

/** Every row, in the order of the tables. */
export const contestants: readonly Contestant[] = [
  ...yardsticks,
  ...plainProxies,
  ...sidecars,
  ...exchanges,
  ...flatness,
  ...workers,
]

/**
 * The contestants of those names, in the order of the tables.
 *
 * @throws Error for a name that nobody has
 */
export function contestantsCalled(names: readonly string[]): readonly Contestant[] {
  const known = contestants.map(({ name }) => name)
  const unknown = names.find(name => !known.includes(name))
  if (unknown !== undefined)
    throw new Error(`no contestant is called ${unknown}; there are: ${known.join(', ')}`)
  return contestants.filter(({ name }) => names.includes(name))
}

/** The contestants of a measurement. */
export function contestantsOf(measurement: Contestant['measurement']): readonly Contestant[] {
  return contestants.filter(contestant => contestant.measurement === measurement)
}
