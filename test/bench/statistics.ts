/** The middle value; of an even count, the mean of the two middle ones; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** The least value that the share of all values does not exceed, such as 0.99 for p99. */
export function percentile(sorted: readonly number[] | Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

/** The list in another order each round: every item comes early and late, and before and after its neighbours. */
export function turned<T>(list: readonly T[], round: number): T[] {
  const start = (round * 5) % Math.max(1, list.length)
  const order = [...list.slice(start), ...list.slice(0, start)]
  return round % 2 === 0 ? order : order.reverse()
}
