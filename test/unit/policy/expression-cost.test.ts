import { expect, it } from 'vitest'
import { compileCondition, compileExpression } from '../../../src/policy/expression.ts'

it.each([
  ['subject.email.matches("^(a+)+$")', 'matches a pattern that can take exponential time'],
  [
    'has(subject.email) && !subject.email.matches("(a|b)*c")',
    'matches a pattern that can take exponential time',
  ],
  ['subject.email.matches(subject.pattern)', 'matches a pattern that is not written in it'],
  ['subject.email.matches("(a+" + ")+$")', 'matches a pattern that is not written in it'],
  ['subject.a.all(x, subject.b.exists(y, x == y))', 'goes through a list for each member of a list'],
  ['subject.a.map(x, [subject.b.filter(y, x == y)]) == []', 'goes through a list for each member of a list'],
])('%s is refused: a token could make it take very long', (source, error) => {
  expect(compileCondition(source)).toEqual({ ok: false, error })
  expect(compileExpression(source)).toEqual({ ok: false, error })
})

it.each([
  ['subject.email.matches("^[^@]+@good[.]example$")'],
  ['subject.a.all(x, x > 1) && subject.b.exists(y, y == 2)'],
  ['["admin", "lead"].exists(role, subject.roles.exists(one, one == role))'],
  ['subject.roles.exists(one, ["admin", "lead"].exists(role, one == role))'],
  ['subject.a.filter(x, x > 1).all(x, x < 9)'],
])('%s is not', source => {
  expect(compileCondition(source).ok).toBe(true)
})
