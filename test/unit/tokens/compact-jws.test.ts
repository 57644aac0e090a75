import { describe, expect, it } from 'vitest'
import { readCompactJws, readJwsParts } from '../../../src/tokens/compact-jws.ts'
import { encode } from '../../support/tokens.ts'

const maxBytes = 8192
const header = { alg: 'ES256', kid: 'k1', typ: 'at+jwt' }

function compact(headerText: string, payloadText = '{"sub":"alice"}', signature = 'AAAA'): string {
  return `${encode(headerText)}.${encode(payloadText)}.${signature}`
}

function withHeader(members: Record<string, unknown>): string {
  return compact(JSON.stringify({ ...header, ...members }))
}

const [h = '', p = ''] = withHeader({}).split('.')

function errorOf(text: string): string | undefined {
  const read = readCompactJws(text, maxBytes)
  return read.ok ? undefined : read.error
}

describe('readCompactJws', () => {
  it('takes a well-formed token apart', () => {
    const text = withHeader({})
    const read = readCompactJws(text, maxBytes)
    if (!read.ok) throw new Error(read.error)
    expect(read.value.header).toEqual({ algorithm: 'ES256', keyId: 'k1', type: 'at+jwt' })
    expect({ ...read.value.claims }).toEqual({ sub: 'alice' })
    expect(read.value.signingInput).toBe(text.slice(0, text.lastIndexOf('.')))
    expect(read.value.signature).toEqual(Buffer.from('AAAA', 'base64url'))
  })

  it('needs neither kid nor typ', () => {
    const read = readCompactJws(compact('{"alg":"RS256"}'), maxBytes)
    expect(read.ok && read.value.header).toEqual({ algorithm: 'RS256', keyId: undefined, type: undefined })
  })

  it('accepts the longest allowed text and refuses one byte more', () => {
    const text = withHeader({})
    expect(readCompactJws(text, text.length).ok).toBe(true)
    expect(readCompactJws(text, text.length - 1).ok).toBe(false)
  })

  it.each([
    ['empty', ''],
    ['one part', h],
    ['two parts', `${h}.${p}`],
    ['four parts', `${h}.${p}.AAAA.AAAA`],
    ['six parts', `${h}.${p}.AAAA.AAAA.AAAA.AAAA`],
    ['15,000 dots', '.'.repeat(15_000)],
    ['only dots', '..'],
    ['an empty header', `.${p}.AAAA`],
    ['an empty payload', `${h}..AAAA`],
    ['an empty signature', `${h}.${p}.`],
    ['padding', `${h}.${p}.AQ==`],
    ['plus and slash', `${h}.${p}.ab+/`],
    ['a space', `${h}.${p}.AAAA `],
    ['a newline inside', `${h}.${p.slice(0, 4)}\n${p.slice(4)}.AAAA`],
    ['trailing bits that are not zero', `${h}.${p}.AB`],
    ['JSON serialisation', JSON.stringify({ protected: h, payload: p, signature: 'AAAA' })],
    ['non-ASCII', `${h}.${p}.AAAÄ`],
  ])('refuses a text that is not three canonical parts: %s', (_, text) => {
    expect(readCompactJws(text, 100_000).ok).toBe(false)
  })

  it('refuses five parts as an encrypted token, whatever its header asks for', () => {
    const jwe = `${encode('{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647}')}.A.A.A.A`
    expect(errorOf(jwe)).toMatch(/encrypted/)
  })

  it.each([
    ['an array', '[]'],
    ['a string', '"x"'],
    ['null', 'null'],
    ['a number', '1'],
    ['duplicate names', '{"alg":"ES256","alg":"none"}'],
    ['duplicate names in another spelling', '{"alg":"ES256","\\u0061lg":"none"}'],
    ['trailing garbage', '{"alg":"ES256"}}'],
    ['a byte order mark', '\ufeff{"alg":"ES256"}'],
    ['deep nesting', `{"alg":"ES256","x":${'['.repeat(40)}${']'.repeat(40)}}`],
  ])('refuses a header and a payload that are not strict JSON objects: %s', (_, text) => {
    expect(errorOf(compact(text))).toMatch(/header/)
    expect(errorOf(compact(JSON.stringify(header), text))).toMatch(/payload/)
  })

  it('refuses invalid UTF-8 in header and payload', () => {
    const bad = Buffer.from('{"alg":"ES256","x":"\xff"}', 'latin1').toString('base64url')
    expect(errorOf(`${bad}.${p}.AAAA`)).toMatch(/header/)
    expect(errorOf(`${h}.${bad}.AAAA`)).toMatch(/payload/)
  })

  it.each([undefined, '', null, 1, [], ['ES256'], {}])('refuses alg %j', alg => {
    expect(errorOf(withHeader({ alg }))).toMatch(/^alg/)
  })

  it.each(['', 1, null, [], {}, 'k'.repeat(257)])('refuses a kid that is not a short string', kid => {
    expect(errorOf(withHeader({ kid }))).toMatch(/^kid/)
    expect(errorOf(withHeader({ kid: 'k'.repeat(256) }))).toBeUndefined()
  })

  it.each([[['at+jwt']], [1], [null]])('refuses typ %j', typ => {
    expect(errorOf(withHeader({ typ }))).toMatch(/^typ/)
  })

  it.each([
    { crit: ['exp'] },
    { crit: [] },
    { crit: 'exp' },
    { crit: ['foo'], foo: 1 },
    { crit: ['b64'], b64: false },
    { crit: null },
    { b64: false },
    { b64: true },
    { b64: 'false' },
    { enc: 'A128GCM' },
    { cty: 'JWT' },
    { cty: 'jwt' },
    { cty: 1 },
  ])('refuses a header that changes what the token means: %j', members => {
    expect(errorOf(withHeader(members))).toBeDefined()
  })

  it('ignores keys and addresses in the header', () => {
    const members = {
      jwk: {},
      jku: 'https://attacker.example/',
      x5u: 'file:///etc/passwd',
      x5c: ['MII'],
      x5t: 'a',
    }
    expect(errorOf(withHeader(members))).toBeUndefined()
  })

  it('names no part of the text in its errors', () => {
    const secret = 'c2VjcmV0LXRleHQ'
    for (const text of [secret, `${secret}.${secret}.${secret}`, `${h}.${secret}.${secret}`, `${secret}=`]) {
      expect(errorOf(text)).not.toContain(secret)
    }
  })
})

describe('readJwsParts', () => {
  it('does not look into the payload', () => {
    const read = readJwsParts(compact(JSON.stringify(header), 'not json'), maxBytes)
    expect(read.ok && read.value.payload.toString()).toBe('not json')
  })

  it('allows an empty payload, which is no JWT', () => {
    expect(readJwsParts(`${h}..AAAA`, maxBytes).ok).toBe(true)
    expect(readCompactJws(`${h}..AAAA`, maxBytes).ok).toBe(false)
  })
})
