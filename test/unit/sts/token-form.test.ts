import { describe, expect, it } from 'vitest'
import type { HttpRequest } from '../../../src/base/http-message.ts'
import { decodeFormText, readTokenForm } from '../../../src/sts/token-form.ts'

const form = 'application/x-www-form-urlencoded'

function read(body: string, request: Partial<HttpRequest> = {}) {
  const headers = new Map([['content-type', [form]]])
  return readTokenForm({
    method: 'POST',
    path: '/token',
    query: '',
    headers,
    body,
    peer: 'local',
    ...request,
  })
}

function values(body: string) {
  const result = read(body)
  if (!result.ok) throw new Error(result.error.description)
  return result.value
}

describe('the form of a token request', () => {
  it('decodes names and values', () => {
    const { one } = values('grant%5Ftype=urn%3Aa&scope=a+b&name=%C3%A9')
    expect([one('grant_type'), one('scope'), one('name')]).toEqual(['urn:a', 'a b', 'é'])
  })

  it('takes a parameter without a value for omitted', () => {
    const { one, all } = values('scope=&client_id&audience=&audience=b')
    expect([one('scope'), one('client_id'), all('audience')]).toEqual([undefined, undefined, ['b']])
  })

  it('lets audience and resource repeat, in order', () => {
    const { all } = values('audience=b&resource=x%3A1&audience=a&resource=x%3A2')
    expect([all('audience'), all('resource')]).toEqual([
      ['b', 'a'],
      ['x:1', 'x:2'],
    ])
  })

  it('knows no inherited names', () => {
    const { one } = values('a=1')
    expect([one('__proto__'), one('constructor'), one('toString')]).toEqual([undefined, undefined, undefined])
    expect(values('__proto__=x').one('__proto__')).toBe('x')
  })

  it.each([
    ['any other parameter twice', 'scope=a&scope=a'],
    ['a parameter twice, once empty', 'scope=a&scope='],
    ['a parameter twice in two spellings', 'scope=a&sc%6Fpe=b'],
    ['an unknown parameter twice', 'x=1&x=2'],
    ['a malformed escape', 'scope=%zz'],
    ['a cut escape', 'scope=%e'],
    ['bytes that are not UTF-8', 'scope=%c3%28'],
    ['more than 64 parameters', Array.from({ length: 65 }, (_, i) => `p${i}=1`).join('&')],
  ])('refuses %s', (_, body) => {
    const result = read(body)
    expect(!result.ok && result.error.code).toBe('invalid_request')
  })

  it('refuses parameters in the query', () => {
    expect(read('a=1', { query: 'b=2' }).ok).toBe(false)
  })

  it.each([
    'application/x-www-form-urlencoded',
    'application/x-www-form-urlencoded;charset=UTF-8',
    'Application/X-WWW-Form-Urlencoded; charset="utf-8"',
  ])('accepts the media type %s', type => {
    expect(read('a=1', { headers: new Map([['content-type', [type]]]) }).ok).toBe(true)
  })

  it.each([
    [[]],
    [['application/json']],
    [['multipart/form-data; boundary=x']],
    [['text/plain']],
    [[`${form}; charset=iso-8859-1`]],
    [[`${form}; charset=utf-7`]],
    [[`${form}, application/json`]],
    [[form, form]],
  ])('refuses the media type %j', types => {
    expect(read('a=1', { headers: new Map([['content-type', types]]) }).ok).toBe(false)
  })

  it('refuses a content coding', () => {
    const headers = new Map([
      ['content-type', [form]],
      ['content-encoding', ['gzip']],
    ])
    expect(read('a=1', { headers }).ok).toBe(false)
  })

  it('decodes one text, or says that it cannot', () => {
    expect([decodeFormText('a+b%2B'), decodeFormText('%'), decodeFormText('%ff')]).toEqual([
      'a b+',
      undefined,
      undefined,
    ])
  })
})
