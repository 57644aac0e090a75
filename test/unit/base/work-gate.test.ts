import { expect, it } from 'vitest'
import { createWorkGate } from '../../../src/base/work-gate.ts'

const limits = { maxRunning: 2, maxWaiting: 3, maxWaitingPerKey: 2 }

function openable() {
  const gate = createWorkGate(limits)
  const started: string[] = []
  const ends: PromiseWithResolvers<void>[] = []
  const run = (key: string) =>
    gate.run(key, async () => {
      started.push(key)
      const end = Promise.withResolvers<void>()
      ends.push(end)
      await end.promise
      return key
    })
  return { run, started, endNext: () => ends.shift()?.resolve() }
}

it('runs so many at a time and the others in their order', async () => {
  const { run, started, endNext } = openable()
  const all = ['a', 'b', 'c', 'd', 'e'].map(run)
  await Promise.resolve()
  expect(started).toEqual(['a', 'b'])
  for (let i = 0; i < 5; i++) {
    endNext()
    await new Promise(setImmediate)
  }
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(started).toEqual(['a', 'b', 'c', 'd', 'e'])
})

it('says that it is full, to one key before the others', async () => {
  const { run, endNext } = openable()
  const running = [run('x'), run('x')]
  const waiting = [run('x'), run('x')]
  expect(await run('x')).toBe('full')
  const other = run('y')
  expect(await run('z')).toBe('full')
  for (let i = 0; i < 5; i++) {
    endNext()
    await new Promise(setImmediate)
  }
  expect(await Promise.all([...running, ...waiting, other])).toEqual(['x', 'x', 'x', 'x', 'y'])
})

it('goes on after work that failed', async () => {
  const gate = createWorkGate({ ...limits, maxRunning: 1 })
  const failing = gate.run('a', () => Promise.reject(new Error('no')))
  const next = gate.run('a', async () => 'done')
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('done')
  expect(await gate.run('a', async () => 'again')).toBe('again')
})
