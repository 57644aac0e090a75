import { describe, expect, it } from 'vitest'
import { actorSubjects, nestSubjects, parseActor } from '../../../src/oauth/actor.ts'

describe('nestSubjects', () => {
  it('puts the current actor outermost, as the act claim does', () => {
    expect(nestSubjects(['orders', 'web', 'agent'])).toEqual({
      sub: 'orders',
      act: { sub: 'web', act: { sub: 'agent' } },
    })
    expect(nestSubjects(['orders'])).toStrictEqual({ sub: 'orders' })
  })

  it('is nothing for nobody', () => {
    expect(nestSubjects([])).toBeUndefined()
  })

  it('is what the claim reads back as', () => {
    const subjects = ['orders', 'web', 'agent']
    expect(actorSubjects(parseActor(nestSubjects(subjects), 8))).toEqual(subjects)
  })
})

describe('parseActor', () => {
  it.each([
    [[{ sub: 'a' }]],
    [null],
    ['a'],
    [{}],
    [{ sub: '' }],
    [{ sub: 'a', act: [] }],
    [{ sub: 'a', act: null }],
  ])('refuses a claim that is not well formed at any depth: %j', claim => {
    expect(parseActor(claim, 8)).toBeUndefined()
  })

  it('refuses a chain that is too deep, whole', () => {
    const claim = nestSubjects(['a', 'b', 'c'])
    expect(parseActor(claim, 3)).toBeDefined()
    expect(parseActor(claim, 2)).toBeUndefined()
  })
})
