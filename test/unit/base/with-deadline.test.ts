import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { withDeadline } from '../../../src/base/with-deadline.ts'

describe('withDeadline', () => {
  it('gives what the work gives, and does not abort it then', async () => {
    let seen: AbortSignal | undefined
    const work = async (signal: AbortSignal) => {
      seen = signal
      return 7
    }
    expect(await withDeadline(5, work)).toBe(7)
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(seen?.aborted).toBe(false)
    await expect(withDeadline(5_000, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  it('gives nothing and aborts the work when the time is over', async () => {
    let seen: AbortSignal | undefined
    const late = Promise.withResolvers<number>()
    const waiting = withDeadline(5, signal => {
      seen = signal
      return late.promise
    })
    expect(await waiting).toBeUndefined()
    expect(seen?.aborted).toBe(true)
  })

  it('does not let a late failure become an unhandled rejection', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    const late = Promise.withResolvers<number>()
    await withDeadline(1, () => late.promise)
    late.reject(new Error('late'))
    await turn()
    process.off('unhandledRejection', listener)
    expect(unhandled).toEqual([])
  })
})
