import { describe, expect, it } from 'vitest'
import { TaskCount } from '../../../src/base/task-count.ts'

describe('a count of tasks', () => {
  it('is idle when the last one has ended, however it ended', async () => {
    const count = new TaskCount()
    await count.idle()
    const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
    const added = [count.add(first.promise), count.add(second.promise)]
    let isIdle = false
    const idle = count.idle().then(() => {
      isIdle = true
    })
    first.resolve('done')
    expect(await added[0]).toBe('done')
    expect(isIdle).toBe(false)
    second.reject(new Error('failed'))
    await expect(added[1]).rejects.toThrow('failed')
    await idle
    await count.idle()
  })
})
