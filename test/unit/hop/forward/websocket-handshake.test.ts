import { describe, expect, it } from 'vitest'
import { acceptOf, findHandshakeFlaw } from '../../../../src/hop/forward/websocket-handshake.ts'

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const request = ['Host', 'a', 'Sec-WebSocket-Key', key]
const answer = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', accept]

/** The answer with other values; undefined takes the field away. */
function answerWith(changes: Readonly<Record<string, string | undefined>>): string[] {
  const fields: string[] = []
  for (let index = 0; index < answer.length; index += 2) {
    const name = answer[index] as string
    const value = name in changes ? changes[name] : answer[index + 1]
    if (value !== undefined) fields.push(name, value)
  }
  return fields
}

describe('findHandshakeFlaw', () => {
  it('finds none in the answer of RFC 6455 §1.3', () => {
    expect(acceptOf(key)).toBe(accept)
    expect(findHandshakeFlaw(request, answer)).toBeUndefined()
  })

  it.each([
    [
      'names in lower case, values in other case',
      ['upgrade', 'WebSocket', 'connection', 'keep-alive, UPGRADE'],
    ],
    ['Connection in two fields', ['Upgrade', 'websocket', 'Connection', 'x', 'Connection', 'upgrade']],
  ])('takes %s', (_, fields) => {
    expect(findHandshakeFlaw(request, [...fields, 'sec-websocket-accept', accept])).toBeUndefined()
  })

  it.each<[string, string[]]>([
    ['no Upgrade', answerWith({ Upgrade: undefined })],
    ['another Upgrade', answerWith({ Upgrade: 'h2c' })],
    ['two Upgrades', [...answer, 'Upgrade', 'websocket']],
    ['a list of Upgrades', answerWith({ Upgrade: 'websocket, h2c' })],
    ['no Connection', answerWith({ Connection: undefined })],
    ['another Connection', answerWith({ Connection: 'close' })],
    ['a length', [...answer, 'Content-Length', '0']],
    ['a coding', [...answer, 'Transfer-Encoding', 'chunked']],
    ['no accept', answerWith({ 'Sec-WebSocket-Accept': undefined })],
    ['another accept', answerWith({ 'Sec-WebSocket-Accept': acceptOf('AAAAAAAAAAAAAAAAAAAAAA==') })],
    ['the accept in other case', answerWith({ 'Sec-WebSocket-Accept': accept.toLowerCase() })],
    ['two accepts', [...answer, 'Sec-WebSocket-Accept', accept]],
    ['the key for accept', answerWith({ 'Sec-WebSocket-Accept': key })],
  ])('finds one with %s', (_, fields) => {
    expect(findHandshakeFlaw(request, fields)).toMatch(/^a /)
  })

  it.each<[string, string[]]>([
    ['no key', ['Host', 'a']],
    ['two keys', [...request, 'Sec-WebSocket-Key', key]],
  ])('finds one in any answer to a request with %s', (_, fields) => {
    expect(findHandshakeFlaw(fields, answer)).toMatch(/^a /)
  })
})
