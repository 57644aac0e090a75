import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleanHeaders } from '../../../../src/hop/accept/clean-headers.ts'

const host = ['Host', 'orders.test']

function clean(...fields: string[]) {
  const result = cleanHeaders([...host, ...fields], '1.1')
  if (!result.ok) throw new Error(result.error.detail)
  return result.value
}

function refused(...fields: string[]) {
  const result = cleanHeaders(fields, '1.1')
  return result.ok ? undefined : result.error.code
}

describe('cleanHeaders', () => {
  it('keeps end-to-end fields, repeated ones included, in their order and spelling', () => {
    const fields = ['Accept', '*/*', 'Cookie', 'a=1', 'X-Thing', '1', 'x-thing', '2', 'Cookie', 'b=2']
    expect(clean(...fields).forwardable).toEqual(fields)
  })

  it.each([
    ...['Keep-Alive', 'Proxy-Connection', 'Proxy-Authorization', 'Proxy-Authenticate', 'TE', 'Trailer'],
    ...['HTTP2-Settings', 'Upgrade', 'Transfer-Encoding', 'Connection'],
  ])('takes out the hop-by-hop field %s', name => {
    const value = name === 'Transfer-Encoding' ? 'chunked' : 'x'
    expect(clean(name, value, 'Accept', '*/*').forwardable).toEqual(['Accept', '*/*'])
  })

  it.each([
    ...[
      'X-User',
      'x-user-id',
      'X-Auth-Request-Email',
      'X-Forwarded-User',
      'X-Forwarded-Client-Cert',
      'Client-Cert',
    ],
    ...[
      'X-SSL-Client-Verify',
      'X-Amzn-Mtls-Clientcert',
      'Remote-User',
      'Txn-Token',
      'DPoP',
      'Workload-Identity-Token',
    ],
    ...['X-Real-IP', 'X-Original-URL', 'X-Rewrite-URL', 'X-HTTP-Method-Override', 'X-Forwarded-Prefix'],
    ...[
      'X_Forwarded_User',
      'X-Forwarded_User',
      'X_FORWARDED_USER',
      'X.Forwarded.User',
      'X~Forwarded~User',
      'X--Forwarded--User',
      'X-Forwarded-User-',
      'Authorization_',
      '_Host',
      'x_user',
    ],
    ...['X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP', 'X-Cluster-Client-IP', 'X-Authorization'],
    ...['Cf-Access-Jwt-Assertion', 'X-Client-Cert-Chain', 'X-ARR-ClientCert', 'X-Amzn-Request-Context'],
  ])('takes out %s, which only a gateway may set', name => {
    expect(clean(name, 'admin', 'Accept', '*/*').forwardable).toEqual(['Accept', '*/*'])
  })

  it.each(['X_Custom', 'x.custom', 'X-Custom_', 'X~Y', 'Authorizations', 'Xx-User', '__proto__', '_'])(
    'keeps %s, which is nobody else when it is spelled in the usual way',
    name => {
      expect(clean(name, '1').forwardable).toEqual([name, '1'])
    },
  )

  it('takes out every spelling of Authorization that a CGI-style upstream reads as one', () => {
    expect(clean('X_Auth_Token', 'x', 'X.Auth.Token', 'x').forwardable).toEqual([])
  })

  it('holds the credential apart, so that forwarding the rest cannot forward it', () => {
    const { authorization, forwardable } = clean('AUTHORIZATION', 'Bearer a')
    expect(authorization).toBe('Bearer a')
    expect(forwardable).toEqual([])
  })

  it('refuses two Authorization fields, equal or not, in any case', () => {
    expect(refused(...host, 'Authorization', 'Bearer a', 'authorization', 'Bearer a')).toBe('token.ambiguous')
    expect(refused(...host, 'Authorization', 'Bearer a', 'AUTHORIZATION', 'Basic b')).toBe('token.ambiguous')
  })

  it('refuses none or two Host fields', () => {
    expect(refused('Accept', '*/*')).toBe('request.malformed')
    expect(refused('Host', 'a', 'host', 'a')).toBe('request.malformed')
  })

  it.each([',chunked', 'identity, chunked', 'gzip, chunked', 'xchunked', 'chunked\x0b', 'identity'])(
    'refuses Transfer-Encoding %j',
    value => {
      expect(refused(...host, 'Transfer-Encoding', value)).toBe('request.malformed')
    },
  )

  it('refuses a Transfer-Encoding in HTTP/1.0, twice, or beside a Content-Length', () => {
    expect(cleanHeaders([...host, 'Transfer-Encoding', 'chunked'], '1.0').ok).toBe(false)
    expect(refused(...host, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked')).toBe(
      'request.malformed',
    )
    expect(refused(...host, 'Transfer-Encoding', 'chunked', 'Content-Length', '3')).toBe('request.malformed')
  })

  it.each([[['close, X-Thing']], [['X-Thing', 'close']], [[',,x-thing ,']], [['X-THING']]])(
    'takes out what Connection %j nominates',
    connections => {
      const fields = connections.flatMap(value => ['Connection', value])
      expect(clean(...fields, 'X-Thing', '1', 'Accept', '*/*').forwardable).toEqual(['Accept', '*/*'])
    },
  )

  it('holds Max-Forwards apart, joins what repeats, and lets Connection take it away', () => {
    expect(clean('Max-Forwards', '3')).toMatchObject({ maxForwards: '3', forwardable: [] })
    expect(clean('Max-Forwards', '3', 'max-forwards', '4').maxForwards).toBe('3,4')
    expect(clean('Max-Forwards', '0', 'Connection', 'max-forwards').maxForwards).toBeUndefined()
  })

  it.each([
    [[], false],
    [['TE', 'trailers'], true],
    [['TE', 'deflate;q=0.5, Trailers'], true],
    [['TE', 'gzip', 'te', 'trailers'], true],
    [['TE', 'gzip'], false],
    [['TE', 'trailersx'], false],
    [['Content-Type', 'application/grpc'], true],
    [['content-type', 'application/grpc+proto'], true],
    [['Content-Type', 'application/grpc-web'], false],
  ])('knows of %j whether trailers are taken', (fields, acceptsTrailers) => {
    expect(clean(...fields)).toMatchObject({ acceptsTrailers, announcesTrailers: false })
  })

  it('knows whether trailers are to come', () => {
    expect(clean('Trailer', 'X-Sum')).toMatchObject({ announcesTrailers: true, forwardable: [] })
  })

  it.each([
    [['Content-Type', 'application/grpc', 'grpc-timeout', '150m'], 150],
    [['grpc-timeout', '2S', 'Content-Type', 'application/grpc+proto'], 2_000],
    [['Content-Type', 'application/grpc', 'grpc-timeout', 'soon'], undefined],
    [['Content-Type', 'application/grpc'], undefined],
    [['Content-Type', 'application/json', 'grpc-timeout', '150m'], undefined],
  ])('reads of %j how long a gRPC call may take, and forwards it', (fields, grpcTimeoutMs) => {
    expect(clean(...fields)).toMatchObject({ grpcTimeoutMs, forwardable: fields })
  })

  it.each(['Content_Type', 'grpc.timeout'])('takes out %s, which some upstream reads as the same', name => {
    expect(clean(name, 'x', 'Accept', '*/*').forwardable).toEqual(['Accept', '*/*'])
  })

  it.each(['authorization', 'Host', 'close, Authorization', 'content-length'])(
    'refuses Connection: %s, which would change who asks',
    value => {
      expect(refused(...host, 'Authorization', 'Bearer a', 'Connection', value)).toBe('request.malformed')
    },
  )

  it('never lets a forbidden field through, whatever the fields are', () => {
    const forbidden =
      /^(authorization|host|connection|keep-alive|proxy-connection|proxy-authorization|te|trailer|transfer-encoding|upgrade|forwarded|x-forwarded-.*|x-user(-.*)?|x-auth-.*|remote-user|dpop|txn-token|client-cert)$/
    const fieldName = fc.oneof(
      fc.constantFrom(
        'Authorization',
        'Connection',
        'X-Forwarded-For',
        'x_forwarded_user',
        'X-User',
        'TE',
        'Upgrade',
      ),
      fc.constantFrom(
        'Accept',
        'Cookie',
        'X-Thing',
        'Forwarded',
        'DPoP',
        'Client.Cert',
        'Txn_Token',
        '__proto__',
      ),
      fc.stringMatching(/^[A-Za-z_.-]{1,20}$/),
    )
    const fieldValue = fc.oneof(
      fc.constantFrom('close', 'X-Thing, accept', 'cookie'),
      fc.string({ maxLength: 12 }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 12 }), fields => {
        const result = cleanHeaders([...host, ...fields.flat()], '1.1')
        if (!result.ok) return
        const nominated = fields
          .filter(([name]) => name.toLowerCase() === 'connection')
          .flatMap(([, value]) => value.split(',').map(option => option.trim().toLowerCase()))
        for (let index = 0; index < result.value.forwardable.length; index += 2) {
          const name = (result.value.forwardable[index] as string).toLowerCase()
          expect(name.replace(/[_.]/g, '-')).not.toMatch(forbidden)
          expect(nominated).not.toContain(name)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
