import { expect, it } from 'vitest'
import {
  errorName,
  sessionFailure,
  streamFailure,
} from '../../../../../src/hop/forward/http2/stream-failure.ts'

const withCode = (code: string, message = 'secret text'): Error => Object.assign(new Error(message), { code })

it.each([
  [0x0, 'upstream.unreachable'],
  [0x1, 'upstream.malformed'],
  [0x2, 'upstream.unreachable'],
  [0x3, 'upstream.malformed'],
  [0x5, 'upstream.unreachable'],
  [0x6, 'upstream.malformed'],
  [0x7, 'upstream.unreachable'],
  [0x8, 'upstream.unreachable'],
  [0x9, 'upstream.malformed'],
  [0xb, 'upstream.malformed'],
  [0xd, 'upstream.unreachable'],
  [0x77, 'upstream.unreachable'],
])('a stream reset with %i is %s', (code, expected) => {
  expect(streamFailure(code).code).toBe(expected)
})

it('names error codes as RFC 9113 §7 does', () => {
  expect([0, 1, 7, 8, 11, 13, 14].map(errorName)).toEqual([
    'NO_ERROR',
    'PROTOCOL_ERROR',
    'REFUSED_STREAM',
    'CANCEL',
    'ENHANCE_YOUR_CALM',
    'HTTP_1_1_REQUIRED',
    'code 14',
  ])
})

it('a lost connection keeps the code of its error, and no text', () => {
  expect(sessionFailure(undefined).code).toBe('upstream.unreachable')
  expect(sessionFailure(withCode('ECONNRESET'))).toEqual({
    code: 'upstream.unreachable',
    detail: 'ECONNRESET',
  })
  expect(sessionFailure(withCode('ERR_HTTP2_ERROR')).code).toBe('upstream.malformed')
  expect(JSON.stringify(sessionFailure(withCode('X', 'secret text')))).not.toContain('secret')
})
