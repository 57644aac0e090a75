import { describe, expect, it } from 'vitest'
import { outgoingHeaders } from '../../../../src/hop/forward/outgoing-headers.ts'
import { responseHeaders, responseTrailers } from '../../../../src/hop/forward/response-headers.ts'
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
  it('keeps end-to-end fields and every Set-Cookie', () => {
    expect(responseHeaders({ 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] }, 'orders')).toEqual(
      [...['content-type', 'text/plain'], ...['set-cookie', 'a=1'], ...['set-cookie', 'b=2']],
    )
  })

  it('takes out what ends at this hop, what Connection nominates, and credentials', () => {
    const headers = {
      connection: 'close, X-Inner',
      'x-inner': '1',
      authorization: 'Bearer issued',
      'keep-alive': '5',
      te: 'x',
    }
    expect(responseHeaders({ ...headers, 'content-length': '2' }, 'orders')).toEqual(['content-length', '2'])
  })

  it('replaces a challenge that names the issued token by a bare one', () => {
    const challenge = 'Bearer error="invalid_token", error_description="aud orders-api"'
    expect(responseHeaders({ 'www-authenticate': challenge }, 'orders')).toEqual([
      'www-authenticate',
      'Bearer realm="orders"',
    ])
  })

  it('lets a step-up challenge through, and every challenge of a public route', () => {
    const stepUp = 'Bearer error="insufficient_user_authentication", acr_values="mfa"'
    expect(responseHeaders({ 'www-authenticate': stepUp }, 'orders')).toEqual(['www-authenticate', stepUp])
    expect(responseHeaders({ 'www-authenticate': 'Basic realm="x"' }, undefined)).toEqual([
      'www-authenticate',
      'Basic realm="x"',
    ])
  })
})

describe('responseTrailers', () => {
  it('keeps trailers and drops those that would change framing or identity', () => {
    const trailers = {
      'grpc-status': '0',
      authorization: 'x',
      'content-length': '1',
      'transfer-encoding': 'x',
      'set-cookie': 'a',
    }
    expect(responseTrailers(trailers)).toEqual([['grpc-status', '0']])
  })
})
