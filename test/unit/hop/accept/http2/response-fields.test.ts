import { expect, it } from 'vitest'
import {
  fieldObject,
  mayHaveTrailers,
  responseFields,
} from '../../../../../src/hop/accept/http2/response-fields.ts'

it('a response has its status, names in lower case, and nothing about a connection', () => {
  const fields = ['Content-Type', 'a/b', 'Connection', 'close', 'SET-COOKIE', 'a=1', 'set-cookie', 'b=2']
  const dropped = [
    'Transfer-Encoding',
    'chunked',
    'Upgrade',
    'x',
    'Keep-Alive',
    'x',
    'Proxy-Connection',
    'x',
    'TE',
    'x',
  ]
  expect(responseFields(201, [...fields, ...dropped])).toEqual([
    ':status',
    '201',
    'content-type',
    'a/b',
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=2',
  ])
})

it('an object of fields keeps those that repeat, and takes any name', () => {
  const object = fieldObject([
    ['X-A', '1'],
    ['x-a', '2'],
    ['x-a', '3'],
    ['__proto__', 'x'],
    ['Connection', 'close'],
  ])
  expect(Object.entries(object)).toEqual([
    ['x-a', ['1', '2', '3']],
    ['__proto__', 'x'],
  ])
})

it.each<[boolean, string[]]>([
  [true, [':status', '200']],
  [true, [':status', '200', 'content-type', 'text/plain']],
  [false, [':status', '200', 'content-length', '5']],
  [true, [':status', '200', 'content-length', '5', 'trailer', 'x-sum']],
  [true, [':status', '200', 'content-length', '5', 'content-type', 'application/grpc+proto']],
])('says %s to whether trailers may follow %j', (expected, section) => {
  expect(mayHaveTrailers(section)).toBe(expected)
})

it('a 205 says nothing of the length of a body that Node does not send', () => {
  const fields = ['Content-Length', '5', 'X-A', '1']
  expect(responseFields(205, fields)).toEqual([':status', '205', 'x-a', '1'])
  expect(responseFields(304, fields)).toEqual([':status', '304', 'content-length', '5', 'x-a', '1'])
})
