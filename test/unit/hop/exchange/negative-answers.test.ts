import { expect, it } from 'vitest'
import { NegativeAnswers } from '../../../../src/hop/exchange/negative-answers.ts'
import { refusal } from '../../../../src/model/refusal.ts'

it('holds a bounded number, and lets the oldest go under a flood', () => {
  const answers = new NegativeAnswers(60)
  for (let index = 0; index <= 10_000; index++) answers.note(`k${index}`, refusal('exchange.denied', 'no'), 0)
  expect(answers.get('k0', 1)).toBeUndefined()
  expect(answers.get('k1', 1)).toBeDefined()
  expect(answers.get('k10000', 1)).toBeDefined()
})

it('keeps what the refusal says to the caller', () => {
  const answers = new NegativeAnswers(5)
  answers.note('k', { ...refusal('exchange.subject_rejected', 'no'), retryAfterSeconds: 3 }, 1000)
  expect(answers.get('k', 5999)).toEqual({
    code: 'exchange.subject_rejected',
    detail: 'no (remembered)',
    retryAfterSeconds: 3,
  })
  expect(answers.get('k', 6000)).toBeUndefined()
})
