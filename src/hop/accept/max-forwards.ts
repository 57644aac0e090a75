/** What this hop sends at most (RFC 9110 §7.6.2 leaves it to each). */
const largest = 2 ** 31 - 1

/**
 * Reads the `Max-Forwards` of an OPTIONS request (RFC 9110 §7.6.2): how many hops may still forward it, this one
 * included.
 *
 * @param value of the one field, or several values joined, which are no number
 * @returns Infinity when there is none; undefined for what is no number
 */
export function readMaxForwards(value: string | undefined): number | undefined {
  if (value === undefined) return Infinity
  return /^\d+$/.test(value) ? Math.min(Number(value), largest) : undefined
}
