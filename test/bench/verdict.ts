import { formatNumber } from './table.ts'

/** A figure held against its bound, such as `1.31 × floor (≤ 1.20: miss)`; a dash for what was not measured. */
export function verdict(value: number, atMost: number, digits: number, unit = ''): string {
  if (!Number.isFinite(value)) return '–'
  const word = value <= atMost ? 'ok' : 'miss'
  return `${formatNumber(value, digits)}${unit} (≤ ${formatNumber(atMost, digits)}: ${word})`
}

/**
 * A latency in milliseconds held against its bound, unless the generator was late itself by half of the bound or more: what
 * was measured then is the machine.
 */
export function lateVerdict(valueMs: number, atMostMs: number, lateMs: number): string {
  if (!Number.isFinite(valueMs) || lateMs < atMostMs / 2) return verdict(valueMs, atMostMs, 2)
  return `${formatNumber(valueMs, 2)} (≤ ${formatNumber(atMostMs, 2)}: not decided, the generator was late)`
}

/** A line for each contestant that is missing, with the reason. */
export function formatMissing(missing: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(missing).map(([name, reason]) => `${name}: ${reason}`)
}
