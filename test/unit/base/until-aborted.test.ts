import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { untilAborted } from '../../../src/base/until-aborted.ts'

describe('untilAborted', () => {
  it('gives what the promise gives, and leaves nothing behind at the signal', async () => {
    const { signal } = new AbortController()
    expect(await untilAborted(Promise.resolve(7), signal)).toBe(7)
    await expect(untilAborted(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('gives nothing when the signal is first, before or after the call', async () => {
    const controller = new AbortController()
    const waiting = untilAborted(new Promise(() => {}), controller.signal)
    controller.abort()
    expect(await waiting).toBeUndefined()
    expect(await untilAborted(new Promise(() => {}), controller.signal)).toBeUndefined()
  })

  it('does not let a late failure become an unhandled rejection', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    const late = Promise.withResolvers<number>()
    await untilAborted(late.promise, AbortSignal.abort())
    late.reject(new Error('late'))
    await turn()
    process.off('unhandledRejection', listener)
    expect(unhandled).toEqual([])
  })
})
