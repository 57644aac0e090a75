import type { RunningProcess } from './processes.ts'

/** What a process held at some time. */
export interface Sample {
  readonly process: string
  /** Since the beginning. */
  readonly atMs: number
  readonly rssMegabytes: number
  readonly openFiles: number
}

/** Before, a process learns: code is compiled, caches fill. */
const settledMs = 60_000
const sampleSlackMs = 10_000
/** What garbage that was not collected yet and the allocator's rounding may come to. */
const allowed = { share: 1.1, megabytes: 8, files: 24 }

export async function sample(process: RunningProcess, atMs: number): Promise<Sample> {
  const text = await process.metricsText()
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  return {
    process: process.name,
    atMs,
    rssMegabytes: value('process_resident_memory_bytes') / 2 ** 20,
    openFiles: value('process_open_fds'),
  }
}

/** Compares the last third of the time after the first minute with the first third of it. */
export function describeGrowth(samples: readonly Sample[]): {
  readonly figures: readonly string[]
  readonly failures: readonly string[]
} {
  const figures: string[] = []
  const failures: string[] = []
  for (const name of new Set(samples.map(({ process }) => process))) {
    const own = samples.filter(({ process }) => process === name)
    const settled = own.filter(({ atMs }) => atMs >= Math.min(settledMs, (own.at(-1)?.atMs ?? 0) / 3))
    const third = Math.max(1, Math.floor(settled.length / 3))
    const early = settled.slice(0, third)
    const late = settled.slice(-third)
    const [before, after] = [early, late].map(part => median(part.map(({ rssMegabytes }) => rssMegabytes)))
    const [files, moreFiles] = [early, late].map(part => median(part.map(({ openFiles }) => openFiles)))
    figures.push(
      `${name}: RSS ${before?.toFixed(0)} → ${after?.toFixed(0)} MB, open files ${files} → ${moreFiles}`,
    )
    // A shorter time is still the beginning, in which every process grows.
    if ((own.at(-1)?.atMs ?? 0) < 2 * settledMs - sampleSlackMs) continue
    if ((after ?? 0) > (before ?? 0) * allowed.share + allowed.megabytes) failures.push(`${name}: RSS grows`)
    if ((moreFiles ?? 0) > (files ?? 0) + allowed.files) failures.push(`${name}: open files grow`)
  }
  return { figures, failures }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
