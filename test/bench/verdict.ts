import { formatNumber } from './table.ts'

/** A figure held against its bound, such as `1.31 (≤ 1.20: miss)`. */
export function verdict(value: number, atMost: number, digits: number): string {
  if (!Number.isFinite(value)) return `– (≤ ${formatNumber(atMost, digits)}: not measured)`
  const word = value <= atMost ? 'ok' : 'miss'
  return `${formatNumber(value, digits)} (≤ ${formatNumber(atMost, digits)}: ${word})`
}

/** A line for each contestant that is missing, with the reason. */
export function formatMissing(missing: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(missing).map(([name, reason]) => `${name}: ${reason}`)
}
