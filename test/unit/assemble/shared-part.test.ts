import { describe, expect, it } from 'vitest'
import { makeOwning, SharedPart } from '../../../src/assemble/shared-part.ts'

describe('a shared part', () => {
  it('is one for equal sections, and closed when its last user is gone', async () => {
    const events: string[] = []
    const parts = new SharedPart<{ readonly name: string }>()
    const use = (name: string) => {
      const user = new AsyncDisposableStack()
      const part = parts.use({ name }, user, owned => {
        events.push(`made ${name}`)
        owned.defer(() => {
          events.push(`closed ${name}`)
        })
        return { name }
      })
      return { part, end: () => user.disposeAsync() }
    }
    const [first, second, other] = [use('a'), use('a'), use('b')]
    expect(second.part).toBe(first.part)
    expect(other.part).not.toBe(first.part)
    await first.end()
    await first.end()
    expect(events).toEqual(['made a', 'made b'])
    await second.end()
    expect(events).toEqual(['made a', 'made b', 'closed a'])
    expect(use('a').part).not.toBe(first.part)
    expect(events.at(-1)).toBe('made a')
  })

  it('that cannot be made leaves nothing open, and can be tried again', async () => {
    const closed: string[] = []
    const parts = new SharedPart<string>()
    const user = new AsyncDisposableStack()
    const broken = () =>
      parts.use('section', user, owned => {
        owned.defer(() => {
          closed.push('half built')
        })
        throw new Error('no')
      })
    expect(broken).toThrow('no')
    await Promise.resolve()
    expect(closed).toEqual(['half built'])
    expect(parts.use('section', user, () => 'made')).toBe('made')
  })
})

describe('what owns others', () => {
  it('closes them, the last first', async () => {
    const closed: number[] = []
    const { part, owned } = makeOwning(own => {
      for (const index of [1, 2]) own.defer(() => void closed.push(index))
      return 'part'
    })
    expect(part).toBe('part')
    await owned.disposeAsync()
    expect(closed).toEqual([2, 1])
  })
})
