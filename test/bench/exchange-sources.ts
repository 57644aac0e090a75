import type { Proof } from './contestant.ts'

/** How many issued tokens a sidecar has used so far, by where they came from. */
export type SourceCounts = ReadonlyMap<string, number>

/** Reads `hopgate_exchanges_total` from a sidecar's metrics. */
export async function readSources(adminPort: number): Promise<SourceCounts> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`)
  const counts = new Map<string, number>()
  for (const [, labels = '', value] of (await response.text()).matchAll(
    /^hopgate_exchanges_total\{([^}]*)\} (\S+)$/gm,
  )) {
    const source = /source="(\w+)"/.exec(labels)?.[1] ?? ''
    counts.set(source, (counts.get(source) ?? 0) + Number(value))
  }
  return counts
}

/** Of every hundred requests, so many may find their token elsewhere, such as those between load and reading. */
const tolerance = 0.01

/**
 * Holds a row against its name.
 *
 * @throws Error when the tokens of the measured time did not come from where the row says
 */
export function checkSources(before: SourceCounts, after: SourceCounts, { source }: Proof): void {
  const used = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const)
  const all = used.reduce((sum, [, count]) => sum + count, 0)
  const right = used.find(([name]) => name === source)?.[1] ?? 0
  if (all > 0 && right / all >= 1 - tolerance) return
  const seen = used.map(([name, count]) => `${name} ${count}`).join(', ')
  throw new Error(`its tokens did not come from ${source}: ${seen || 'none was used'}`)
}
