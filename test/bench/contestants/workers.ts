import type { Contestant } from '../contestant.ts'
import { sidecarRow } from './sidecar-row.ts'

/**
 * Ours with several worker processes, all on the processor of the measured: what sharing the work costs a request, not
 * how many requests more processors can take. Memory that workers share is counted once for each.
 */
export const workers: readonly Contestant[] = [1, 2].map(count =>
  sidecarRow({
    name: `workers-${count}`,
    title: `hopgate, hot, workers: ${count}`,
    measurement: 'workers',
    source: 'memory',
    targets: count === 1 ? [] : [{ of: 'workers-1' }],
    sections: () => ({ workers: count }),
  }),
)
