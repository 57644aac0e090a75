import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { invalidToken, malformedCredentials, readClaims } from '../support/attacked-hop.ts'
import { expectNoToken } from '../support/no-token.ts'
import { openRaw, sendRaw } from '../support/raw-client.ts'
import {
  bytesOf,
  malformedRequest,
  type RawHop,
  rawRoutes,
  startRawHop,
  tokenAmbiguous,
  tokenMissing,
} from '../support/raw-hop.ts'
import { type RecordedRequest, response } from '../support/upstream.ts'
import { handshakeAnswer, handshakeFields } from '../support/websocket-bytes.ts'

/**
 * A request has one credential, or the sidecar and somebody behind it could each take another one for it. So the
 * attacker sends two, or one in a place where only the next reader looks, or one that a sloppy reader puts together; or
 * makes the sidecar drop the token that it sets, or has a talkative upstream hand that token back.
 */

let hop: RawHop
/** Of another caller, as good as the first. */
let other: string
beforeAll(async () => {
  hop = await startRawHop({
    routes: `${rawRoutes}
  - { path: /live, audience: orders-api, scope: orders:read, websocket: true }`,
  })
  other = await hop.issuer.sign({ sub: 'bob', scope: 'orders:read' })
})
afterAll(() => hop.close())
afterEach(() => hop.upstream.answerWith(response(200, 'ok')))

const get = (...fields: readonly string[]): string => bytesOf('GET /orders/1', ...fields)
const bearer = (): string => `Authorization: Bearer ${hop.token}`
const post = (type: string, body: string, ...fields: readonly string[]): string =>
  `${bytesOf('POST /orders/1', `Content-Type: ${type}`, `Content-Length: ${body.length}`, ...fields)}${body}`
const issuedTo = (request: RecordedRequest): unknown =>
  readClaims(request.header('authorization') ?? '')['sub']

describe('C01: two Authorization fields', () => {
  it.each<[string, () => string[]]>([
    ['a good one and a bad one', () => [bearer(), 'Authorization: Bearer a.b.c']],
    ['a bad one and a good one', () => ['Authorization: Bearer a.b.c', bearer()]],
    ['the same one twice', () => [bearer(), bearer()]],
    ['two good ones', () => [bearer(), `Authorization: Bearer ${other}`]],
    ['names in different case', () => [bearer(), `AUTHORIZATION: Bearer ${other}`]],
    ['names in different case, far apart', () => [`authorization: Bearer ${other}`, 'Accept: */*', bearer()]],
    ['another scheme beside it', () => [bearer(), 'Authorization: Basic YWxpY2U6cGFzc3dvcmQ=']],
    ['an empty one beside it', () => [bearer(), 'Authorization:']],
    ['an empty one before it', () => ['Authorization:', bearer()]],
  ])('C01 refuses %s', async (_, fields) => {
    await hop.expectRefused(get(...fields()), tokenAmbiguous, [other])
  })

  it('C01 refuses them on a public route as well, where the upstream could take either', async () => {
    const bytes = bytesOf('GET /public/1', bearer(), `Authorization: Bearer ${other}`)
    await hop.expectRefused(bytes, tokenAmbiguous, [other])
  })

  it('C01 takes one, whatever the case of its name', async () => {
    for (const name of ['Authorization', 'authorization', 'AUTHORIZATION', 'aUTHORIZATION']) {
      const { request } = await hop.expectAdmitted(get(`${name}: Bearer ${hop.token}`))
      expect(issuedTo(request)).toBe('alice')
    }
  })
})

describe('C02: an Authorization value that is not one Bearer token', () => {
  it.each<[string, () => string]>([
    ['two credentials in a list', () => `Bearer ${hop.token}, Bearer ${other}`],
    ['a bad and a good one in a list', () => `Bearer a.b.c,Bearer ${hop.token}`],
    ['two tokens', () => `Bearer ${hop.token} ${other}`],
    ['a parameter behind it', () => `Bearer ${hop.token}, realm="orders"`],
    ['no token', () => 'Bearer'],
    ['no token, but a space', () => 'Bearer '],
    ['two spaces', () => `Bearer  ${hop.token}`],
    ['a tab', () => `Bearer\t${hop.token}`],
    ['a space and a tab', () => `Bearer \t${hop.token}`],
    ['quotes', () => `Bearer "${hop.token}"`],
    ['a comma behind it', () => `Bearer ${hop.token},`],
    ['a comma before it', () => `Bearer ,${hop.token}`],
    ['padding in the middle', () => `Bearer a=b`],
    ['a percent escape', () => `Bearer ${hop.token}%20`],
  ])('C02 refuses %s', async (_, value) => {
    await hop.expectRefused(get(`Authorization: ${value()}`), malformedCredentials, [other])
  })

  it.each<[string, () => string]>([
    ['nothing', () => ''],
    ['the token without a scheme', () => hop.token],
    ['Basic', () => `Basic ${Buffer.from(`alice:${hop.token}`).toString('base64')}`],
    ['Token', () => `Token ${hop.token}`],
    ['JWT', () => `JWT ${hop.token}`],
    ['DPoP', () => `DPoP ${hop.token}`],
    ['Negotiate before it', () => `Negotiate, Bearer ${hop.token}`],
    ['a scheme that only begins alike', () => `Bearerx ${hop.token}`],
    ['no space between scheme and token', () => `Bearer:${hop.token}`],
  ])('C02 does not take for a Bearer token: %s', async (_, value) => {
    await hop.expectRefused(get(`Authorization: ${value()}`), tokenMissing)
  })

  it.each(['Bearer ', 'bearer ', 'BEARER ', 'bEaReR '])('C02 takes the scheme "%s"', async scheme => {
    await hop.expectAdmitted(get(`Authorization: ${scheme}${hop.token}`))
  })

  it('C02 takes white space around the value for what it is: no part of it (RFC 9110 §5.5)', async () => {
    await hop.expectAdmitted(get(`Authorization: \t Bearer ${hop.token} \t `))
  })
})

describe('C03: a token in another place', () => {
  it.each(['access_token', 'ACCESS_TOKEN', 'access%5Ftoken', '%61ccess_toke%6e'])(
    'C03 refuses it in the query as %s, alone and beside the field, on every route',
    async name => {
      for (const target of [
        `/orders/1?${name}=${other}`,
        `/orders/1?a=b&${name}=${other}&c=d`,
        `/orders/1?a=b;${name}=${other};c=d`,
        `/public/1?${name}=${other}`,
      ]) {
        for (const fields of [[], [bearer()]]) {
          const { event } = await hop.expectRefused(bytesOf(`GET ${target}`, ...fields), tokenAmbiguous, [
            other,
          ])
          expect(event['path']).toBe(target.split('?')[0])
        }
      }
    },
  )

  it.each<[string, () => string]>([
    ['a form', () => post('application/x-www-form-urlencoded', `access_token=${hop.token}`)],
    ['a JSON body', () => post('application/json', `{"access_token":"${hop.token}"}`)],
    ['a cookie', () => get(`Cookie: access_token=${hop.token}; Authorization=Bearer ${hop.token}`)],
    ['X-Access-Token', () => get(`X-Access-Token: ${hop.token}`)],
    ['X-Authorization', () => get(`X-Authorization: Bearer ${hop.token}`)],
    ['Sec-WebSocket-Protocol', () => get(`Sec-WebSocket-Protocol: bearer, ${hop.token}`)],
  ])('C03 does not see it in %s', async (_, bytes) => {
    await hop.expectRefused(bytes(), tokenMissing)
  })

  it.each<[string, () => string]>([
    ['a form', () => post('application/x-www-form-urlencoded', `access_token=${other}`, bearer())],
    ['a cookie', () => get(`Cookie: access_token=${other}`, bearer())],
  ])('C03 goes by the field alone when %s has another one', async (_, bytes) => {
    const { request } = await hop.expectAdmitted(bytes())
    expect(issuedTo(request)).toBe('alice')
  })

  it('C03 takes a query that only looks alike', async () => {
    for (const query of ['my_access_token=1', 'access_tokens=1', 'a=access_token', 'token=1']) {
      await hop.expectAdmitted(bytesOf(`GET /orders/1?${query}`, bearer()))
    }
  })
})

describe('C04: Proxy-Authorization', () => {
  it('C04 is no credential for the request', async () => {
    await hop.expectRefused(get(`Proxy-Authorization: Bearer ${hop.token}`), tokenMissing)
  })

  it('C04 is not forwarded, to protected routes or public ones', async () => {
    for (const bytes of [
      get(bearer(), `Proxy-Authorization: Bearer ${other}`),
      bytesOf('GET /public/1', `Proxy-Authorization: Bearer ${other}`),
    ]) {
      const { request } = await hop.expectAdmitted(bytes)
      expect(request.headerAll('proxy-authorization')).toEqual([])
      expectNoToken(request.raw.toString('latin1'), [other])
    }
  })
})

describe('C05: Connection that names what the sidecar sets', () => {
  it.each([
    'authorization',
    'Authorization',
    'close, AUTHORIZATION',
    ',,authorization ,',
    'host',
    'keep-alive, Host',
    'content-length',
    'transfer-encoding',
  ])('C05 refuses Connection: %s', async value => {
    await hop.expectRefused(get(bearer(), `Connection: ${value}`), malformedRequest)
  })

  it('C05 refuses it in the second of two fields', async () => {
    await hop.expectRefused(get(bearer(), 'Connection: close', 'Connection: authorization'), malformedRequest)
  })

  it.each([
    'close, X-User',
    'cookie, x-forwarded-for, x-forwarded-host, x-forwarded-proto, forwarded',
    'dpop',
    'x-request-id, traceparent, tracestate, via',
    'Proxy-Authorization, X-Authorization',
  ])('C05 sends its own fields whatever Connection names: %s', async value => {
    const names = value.split(', ')
    const sent = names.map(name => `${name}: from-the-caller`)
    const { request } = await hop.expectAdmitted(get(bearer(), ...sent, `Connection: ${value}`))
    expect(request.raw.toString('latin1')).not.toContain('from-the-caller')
    expect(request.headerAll('connection')).toEqual([])
    for (const name of ['x-forwarded-for', 'forwarded', 'via', 'x-request-id', 'traceparent', 'host']) {
      expect(request.headerAll(name), name).toHaveLength(1)
    }
  })
})

describe('C06: names that somebody reads as another name', () => {
  /** How servers after RFC 3875 name a field, the laxest of them: whatever is no letter or digit is the same. */
  const asVariable = (name: string): string => name.toUpperCase().replace(/[^A-Z0-9]+/g, '_')
  const trusted =
    /^_?(AUTHORIZATION|HOST|X_FORWARDED_.*|X_REQUEST_ID|PROXY_AUTHORIZATION|TRANSFER_ENCODING|CONTENT_LENGTH|REMOTE_USER|CLIENT_CERT|TXN_TOKEN|X_AUTH_.*|X_USER)_?$/

  it.each([
    'Authorization_',
    '_Authorization',
    'X_Forwarded_User',
    'X-Forwarded_User',
    'X_FORWARDED_USER',
    'X.Forwarded.User',
    'X~Forwarded~User',
    'X!Forwarded!User',
    'X-Forwarded-User-',
    'X--Forwarded--User',
    'X_Auth_Request_Email',
    'x_user',
    'X_Forwarded_For',
    'X_Request_Id',
    'Proxy_Authorization',
    'Transfer_Encoding',
    'Content_Length_',
    'Remote_User',
    'Client_Cert',
    'Txn.Token',
  ])('C06 drops %s', async name => {
    for (const bytes of [get(bearer(), `${name}: admin`), bytesOf('GET /public/1', `${name}: admin`)]) {
      const { request } = await hop.expectAdmitted(bytes)
      expect(request.raw.toString('latin1')).not.toContain('admin')
      const read = request.headers.map(([field]) => asVariable(field)).filter(field => trusted.test(field))
      const own = ['HOST', 'X_FORWARDED_FOR', 'X_FORWARDED_HOST', 'X_FORWARDED_PROTO', 'X_REQUEST_ID']
      if (bytes.startsWith('GET /orders')) own.push('AUTHORIZATION')
      expect(read.sort()).toEqual(own.sort())
    }
  })

  it.each([
    'x-user\x00',
    'x-user\x0b',
    'Author\xe2\x80\x8bization',
    'Author\xadization',
    'Authorization ',
    'Authorization\t',
    'X-User ',
    'X User',
    '',
    '(comment)',
    'X-User\x7f',
  ])('C06 refuses the name %j', async name => {
    const bytes = Buffer.from(get(bearer(), `${name}: Bearer ${other}`), 'latin1')
    await hop.expectRefused(bytes, malformedRequest, [other])
  })

  it('C06 keeps other names as they are spelled, odd ones too', async () => {
    const names = ['X_Custom', 'x.custom.name', 'X-Custom_', 'X~Y', 'Authorizations', 'Xx-User']
    const { request } = await hop.expectAdmitted(get(bearer(), ...names.map(name => `${name}: kept`)))
    expect(request.headers.filter(([, value]) => value === 'kept').map(([name]) => name)).toEqual(names)
  })
})

describe('C07: a folded value', () => {
  it.each(['\r\n ', '\r\n\t', '\r\n  \t', '\n ', '\r '])('C07 refuses Bearer%jtoken', async fold => {
    await hop.expectRefused(get(`Authorization: Bearer${fold}${hop.token}`), malformedRequest)
  })

  it('C07 refuses a fold in the middle of the token, and in another field', async () => {
    const half = hop.token.length / 2
    const folded = `${hop.token.slice(0, half)}\r\n ${hop.token.slice(half)}`
    await hop.expectRefused(get(`Authorization: Bearer ${folded}`), malformedRequest)
    await hop.expectRefused(get(bearer(), 'X-Other: a\r\n b'), malformedRequest)
  })
})

describe('C08: characters that are no text', () => {
  const controls = ['\x00', '\x01', '\x08', '\x0b', '\x1b', '\x7f', '\r', '\n']

  it.each(controls)('C08 refuses %j in a value', async character => {
    await hop.expectRefused(get(`Authorization: Bearer ${hop.token}${character}x`), malformedRequest)
    await hop.expectRefused(get(bearer(), `X-Other: a${character}b`), malformedRequest)
  })

  it.each(['\x80', '\xa0', '\xff', '\xc3\xa9'])('C08 refuses %j in the credentials', async character => {
    for (const value of [`Bearer ${hop.token}${character}`, `Bearer${character}${hop.token}`]) {
      const { event } = await hop.expectRefused(
        Buffer.from(get(`Authorization: ${value}`), 'latin1'),
        value.startsWith('Bearer ') || character === '\xa0' ? malformedCredentials : tokenMissing,
      )
      expect(event.type).toBe('io.hopgate.hop.refused.v1')
    }
  })

  it('C08 passes such bytes of another value on as they came (RFC 9110 §5.5: obs-text)', async () => {
    const value = 'caf\xc3\xa9 \x80\x85\xa0\xff!'
    const { request } = await hop.expectAdmitted(Buffer.from(get(bearer(), `X-Other: ${value}`), 'latin1'))
    expect(request.header('x-other')).toBe(value)
  })

  it('C08 gets no second field out of an escaped line end, and half a token out of a real one', async () => {
    const half = hop.token.length / 2
    const [first, second] = [hop.token.slice(0, half), hop.token.slice(half)]
    const escaped = `Authorization: Bearer ${first}%0d%0aX-Admin: 1`
    await hop.expectRefused(get(escaped), malformedCredentials)
    await hop.expectRefused(get(`Authorization: Bearer ${first}\r\nX-Admin: ${second}`), invalidToken)
  })
})

describe('C11: an upstream that hands the issued token back', () => {
  const fields = (value: string): string[] => [
    `Authorization: Bearer ${value}`,
    `X-Request-Authorization: Bearer ${value}`,
    `X-Forwarded-Access-Token: ${value}`,
    `Set-Cookie: session=${value}; HttpOnly`,
    `Location: https://orders.test/login?token=${value}&next=/`,
    `Link: </next?t=${value}>; rel="next"`,
    `WWW-Authenticate: Bearer realm="inner", error_description="${value}"`,
    `WWW-Authenticate: Bearer error="insufficient_user_authentication", error_description="${value}"`,
    `Server-Timing: auth;desc="${value}"`,
    'X-Kept: 1',
  ]
  const tokenOf = (request: RecordedRequest): string =>
    (request.header('authorization') ?? '').replace('Bearer ', '')
  const lines = (list: readonly string[]): string => list.map(field => `${field}\r\n`).join('')

  it('C11 drops every field that holds it, and its reason phrase', async () => {
    hop.upstream.answerWith(request => {
      const issued = tokenOf(request)
      return `HTTP/1.1 200 ${issued}\r\n${lines(fields(issued))}Content-Length: 2\r\n\r\nok`
    })
    const { answer } = await hop.expectAdmitted(get(bearer()))
    expect([answer.header('x-kept'), answer.header('www-authenticate')]).toEqual(['1', undefined])
    expect(answer.startLine).toBe('HTTP/1.1 200 ')
  })

  it('C11 drops it from trailers, from early hints and from the answer to an upgrade', async () => {
    hop.upstream.answerWith(request => {
      const late = `X-Late: ${tokenOf(request)}\r\nX-Kept-Late: 1\r\n`
      return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${late}\r\n`
    })
    const { answer } = await hop.expectAdmitted(get(bearer()))
    expect(answer.raw.toString()).toMatch(/0\r\nx-kept-late: 1\r\n\r\n$/i)

    hop.upstream.answerWith(request => {
      const early = lines([`Link: </a?t=${tokenOf(request)}>; rel=preload`, 'X-Kept: 1'])
      return `HTTP/1.1 103 Early Hints\r\n${early}\r\n${response(200, 'ok')}`
    })
    const hinted = await sendRaw(hop.port, get(bearer()), { responses: 1 })
    expect(hinted.interim.map(one => [one.status, one.header('link'), one.header('x-kept')])).toEqual([
      [103, undefined, '1'],
    ])

    for (const [status, start] of [
      [101, handshakeAnswer],
      [403, 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'],
    ] as const) {
      hop.upstream.answerWith(request => start.replace(/\r\n$/, `${lines(fields(tokenOf(request)))}\r\n`))
      const socket = await openRaw(hop.port)
      socket.write(bytesOf('GET /live', bearer(), ...handshakeFields))
      const head = await readHead(socket)
      socket.destroy()
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*x-kept: 1\r\n`, 'i'))
      expectNoToken(head, hop.upstream.requests.slice(-1).map(tokenOf))
    }
  })

  it('C11 passes the same fields on when they hold something else', async () => {
    hop.upstream.answerWith(response(200, 'ok').replace('\r\n\r\n', `\r\n${lines(fields('other'))}\r\n`))
    const { answer } = await hop.expectAdmitted(get(bearer()))
    const kept = ['x-request-authorization', 'set-cookie', 'location', 'link', 'server-timing', 'x-kept']
    expect(kept.filter(name => answer.header(name) === undefined)).toEqual([])
    // Request credentials are dropped from responses anyway.
    expect(answer.header('authorization')).toBeUndefined()
  })
})

async function readHead(socket: Socket): Promise<string> {
  let head = ''
  while (!head.includes('\r\n\r\n')) head += String((await once(socket, 'data'))[0])
  return head
}
