import { describe, expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import { outgoingHeaders } from '../../../../src/hop/forward/outgoing-headers.ts'
import {
  reasonPhrase,
  responseHeaders,
  responseTrailers,
} from '../../../../src/hop/forward/response-headers.ts'
import { anAdmittedRequest, anIssuedToken } from '../../../support/nouns.ts'

describe('outgoingHeaders', () => {
  const admitted = anAdmittedRequest({ authorization: 'Bearer presented', headers: ['Accept', '*/*'] })

  it('ends with the issued token, which is the only credential', () => {
    const fields = outgoingHeaders(admitted, anIssuedToken())
    expect(fields).toEqual([
      'Accept',
      '*/*',
      'Host',
      'orders.test',
      'Authorization',
      'Bearer issued.token.value',
    ])
    expect(fields.join()).not.toContain('presented')
  })

  it('sends no credential on a public route', () => {
    expect(outgoingHeaders(admitted, undefined)).toEqual(['Accept', '*/*', 'Host', 'orders.test'])
  })

  it('leaves the admitted request as it is', () => {
    outgoingHeaders(admitted, anIssuedToken())
    expect(admitted.headers).toEqual(['Accept', '*/*'])
  })
})

describe('responseHeaders', () => {
  it('keeps end-to-end fields as they are spelled, and every Set-Cookie', () => {
    const fields = ['Content-Type', 'text/plain', 'set-cookie', 'a=1', 'Set-Cookie', 'b=2']
    expect(responseHeaders(fields, { realm: 'orders' })).toEqual(fields)
  })

  it('takes out what ends at this hop, what Connection nominates, and credentials', () => {
    const fields = [
      ...[
        'Connection',
        'close, X-Inner',
        'X-Inner',
        '1',
        'Authorization',
        'Bearer issued',
        'Keep-Alive',
        '5',
      ],
      ...['TE', 'x', 'Transfer-Encoding', 'chunked', 'Proxy-Authenticate', 'Basic', 'Content-Length', '2'],
    ]
    expect(responseHeaders(fields, { realm: 'orders' })).toEqual(['Content-Length', '2'])
  })

  it('takes out every field that holds the issued token, however it is wrapped', () => {
    const issued = new Secret('issued.token.value')
    const fields = [
      ...['X-Echo', 'issued.token.value', 'Set-Cookie', 'a=issued.token.value; HttpOnly', 'X-Kept', '1'],
      ...['WWW-Authenticate', 'Bearer error="insufficient_user_authentication", x="issued.token.value"'],
    ]
    expect(responseHeaders(fields, { realm: 'orders' }, issued)).toEqual(['X-Kept', '1'])
    expect(responseTrailers(['X-Late', 'issued.token.value', 'X-Kept', '1'], issued)).toEqual([
      ['X-Kept', '1'],
    ])
  })

  it('does not let Connection take the length away', () => {
    const fields = ['Connection', 'content-length', 'Content-Length', '2']
    expect(responseHeaders(fields, { realm: 'orders' })).toEqual(['Content-Length', '2'])
  })

  it('replaces challenges that name the issued token by a bare one', () => {
    const challenge = 'Bearer error="invalid_token", error_description="aud orders-api"'
    expect(
      responseHeaders(['WWW-Authenticate', challenge, 'www-authenticate', 'Basic'], { realm: 'orders' }),
    ).toEqual(['WWW-Authenticate', 'Bearer realm="orders"'])
  })

  it('lets a step-up challenge through, and every challenge of a public route', () => {
    const stepUp = 'Bearer error="insufficient_user_authentication", acr_values="mfa"'
    expect(responseHeaders(['www-authenticate', stepUp], { realm: 'orders' })).toEqual([
      'WWW-Authenticate',
      stepUp,
    ])
    const basic = ['WWW-Authenticate', 'Basic realm="x"']
    expect(responseHeaders(basic, undefined)).toEqual(basic)
  })
})

describe('reasonPhrase', () => {
  it.each([
    ['Not Found', 'Not Found'],
    ['\x1b[2J', ''],
    ['see issued.token.value', ''],
  ])('of %j is %j', (phrase, expected) => {
    expect(reasonPhrase(phrase, new Secret('issued.token.value'))).toBe(expected)
  })
})

describe('responseTrailers', () => {
  it('keeps trailers and drops those that would change framing or identity', () => {
    const trailers = [
      ...[
        'grpc-status',
        '0',
        'Authorization',
        'x',
        'Content-Length',
        '1',
        'Transfer-Encoding',
        'x',
        'Set-Cookie',
        'a',
      ],
    ]
    expect(responseTrailers(trailers)).toEqual([['grpc-status', '0']])
  })
})
