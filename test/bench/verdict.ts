import { formatNumber } from './table.ts'

/** A figure held against its bound, such as `1.31 × floor (≤ 1.20: miss)`; a dash for what was not measured. */
export function verdict(value: number, atMost: number, digits: number, unit = ''): string {
  if (!Number.isFinite(value)) return '–'
  const word = value <= atMost ? 'ok' : 'miss'
  return `${formatNumber(value, digits)}${unit} (≤ ${formatNumber(atMost, digits)}: ${word})`
}

/** A line for each contestant that is missing, with the reason. */
export function formatMissing(missing: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(missing).map(([name, reason]) => `${name}: ${reason}`)
}
