import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { SingleFlight } from '../../../src/base/single-flight.ts'

describe('SingleFlight', () => {
  it('runs once for all callers of one key', async () => {
    const flights = new SingleFlight<number>()
    const release = Promise.withResolvers<number>()
    let runs = 0
    const run = () => {
      runs++
      return release.promise
    }
    const calls = Array.from({ length: 50 }, () => flights.do('k', run))
    release.resolve(7)
    expect(await Promise.all(calls.map(call => call.result))).toEqual(Array(50).fill(7))
    expect(runs).toBe(1)
    expect(calls.map(call => call.joined)).toEqual([false, ...Array(49).fill(true)])
  })

  it('keeps keys apart', async () => {
    const flights = new SingleFlight<string>()
    const calls = ['a', 'b', '__proto__'].map(key => flights.do(key, async () => key).result)
    expect(await Promise.all(calls)).toEqual(['a', 'b', '__proto__'])
  })

  it('starts anew after a run has ended, well or badly', async () => {
    const flights = new SingleFlight<number>()
    await expect(flights.do('k', () => Promise.reject(new Error('first'))).result).rejects.toThrow('first')
    expect(flights.size).toBe(0)
    expect(await flights.do('k', async () => 2).result).toBe(2)
    expect(await flights.do('k', async () => 3).result).toBe(3)
  })

  it('turns a run that throws into a rejection', async () => {
    const flights = new SingleFlight<number>()
    const { result } = flights.do('k', () => {
      throw new Error('at once')
    })
    await expect(result).rejects.toThrow('at once')
    expect(flights.size).toBe(0)
  })

  it('gives a failure to everyone who joined, and to nobody else', async () => {
    const flights = new SingleFlight<number>()
    const release = Promise.withResolvers<number>()
    const joined = [1, 2, 3].map(() => flights.do('bad', () => release.promise).result)
    const other = flights.do('good', async () => 1).result
    release.reject(new Error('leader failed'))
    const outcomes = await Promise.allSettled(joined)
    expect(outcomes.map(outcome => outcome.status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(await other).toBe(1)
  })

  it('survives a failed run whose callers have all gone', async () => {
    const flights = new SingleFlight<number>()
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    flights.do('k', () => Promise.reject(new Error('nobody listens')))
    await sleep(10)
    process.off('unhandledRejection', listener)
    expect(unhandled).toEqual([])
  })

  it('lets a forgotten run finish for those who wait, and starts a new one for the next caller', async () => {
    const flights = new SingleFlight<string>()
    const release = Promise.withResolvers<void>()
    const seen: boolean[] = []
    const first = flights.do('k', async flight => {
      seen.push(flight.isCurrent())
      await release.promise
      seen.push(flight.isCurrent())
      return 'old'
    })
    await sleep(0)
    flights.forget('k')
    const second = flights.do('k', async flight => {
      await release.promise
      seen.push(flight.isCurrent())
      return 'new'
    })
    expect(second.joined).toBe(false)
    release.resolve()
    expect(await first.result).toBe('old')
    expect(await second.result).toBe('new')
    expect(seen).toEqual([true, false, true])
    expect(flights.size).toBe(0)
  })

  it('does not clear the entry of the run that came after it', async () => {
    const flights = new SingleFlight<number>()
    const slow = Promise.withResolvers<number>()
    const first = flights.do('k', async () => 1)
    flights.forget('k')
    const second = flights.do('k', () => slow.promise)
    await first.result
    expect(flights.do('k', async () => 3).joined).toBe(true)
    slow.resolve(2)
    expect(await second.result).toBe(2)
  })
})
