import { afterEach, describe, expect, it, vi } from 'vitest'
import { createLoadMonitor } from '../../../../src/hop/accept/load-monitor.ts'
import { until } from '../../../support/until.ts'

const limits = { requests: 10, eventLoopDelayMs: 60_000, memoryBytes: undefined }

afterEach(() => {
  vi.restoreAllMocks()
})

describe("the container's memory", () => {
  it('is enough for one process, and too little when as much is meant for four', async () => {
    vi.spyOn(process, 'constrainedMemory').mockReturnValue(process.memoryUsage.rss() * 3)
    const one = createLoadMonitor(limits, () => 0)
    const four = createLoadMonitor(limits, () => 0, 4)
    await until(() => four.overload() !== undefined, 'the memory is looked at')
    expect(four.overload()).toBe('memory is nearly used up')
    expect(one.overload()).toBeUndefined()
    one.close()
    four.close()
  })
})
