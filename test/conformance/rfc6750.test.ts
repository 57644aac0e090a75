import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectNoToken } from '../support/no-token.ts'
import { type RawResponse, requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop, usualRoutes } from '../support/start-hop.ts'
import { type RecordedRequest, response } from '../support/upstream.ts'

/** RFC 6750, seen from outside: bytes in on a socket, bytes out, and what the upstream got. */

let hop: RunningHop
let token: string

beforeAll(async () => {
  const live = '  - { path: /live, audience: orders-api, scope: orders:read, websocket: true }'
  hop = await startHop({ routes: `${usualRoutes}${live}` })
  token = await hop.issuer.sign({ scope: 'orders:read' })
})

afterAll(() => hop.close())

afterEach(() => {
  hop.upstream.clear()
  hop.upstream.answerWith(response(200, 'ok'))
})

const get = (target: string, ...fields: string[]): Promise<RawResponse> =>
  requestRaw(
    hop.port,
    `GET ${target} HTTP/1.1\r\nHost: orders.test\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`,
  )

const post = (target: string, body: string, ...fields: string[]): Promise<RawResponse> =>
  requestRaw(
    hop.port,
    `POST ${target} HTTP/1.1\r\nHost: orders.test\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
      `Content-Length: ${body.length}\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n${body}`,
  )

const bare = 'Bearer realm="orders"'
const invalidRequest = `${bare}, error="invalid_request"`
const invalidToken = `${bare}, error="invalid_token"`

/** The answer's status and challenge, and that the upstream heard nothing. */
function expectChallenge(answer: RawResponse, status: number, challenge: string): void {
  expect({ status: answer.status, challenge: answer.header('www-authenticate') }).toEqual({
    status,
    challenge,
  })
  expect(hop.upstream.requests).toEqual([])
}

/** The parameters of a Bearer challenge, by the grammar of §3 and its limits on characters; throws for anything else. */
function parseChallenge(value: string): Map<string, string> {
  const parameters = new Map<string, string>()
  const list = /^Bearer (.+)$/.exec(value)?.[1] ?? ''
  for (const part of list.split(', ')) {
    const [, name = '', text = ''] = /^([a-z_]+)="([\x20\x21\x23-\x5b\x5d-\x7e]*)"$/.exec(part) ?? []
    if (name === '') throw new Error(`not an auth-param: ${part}`)
    if (parameters.has(name)) throw new Error(`${name} occurs twice`)
    parameters.set(name, text)
  }
  return parameters
}

const claimsOf = (request: RecordedRequest): Record<string, unknown> =>
  JSON.parse(Buffer.from(request.header('authorization')?.split('.')[1] ?? '', 'base64url').toString())

describe('§2.1 Authorization request header field', () => {
  it('§2.1 takes the token of the Authorization field', async () => {
    expect((await get('/orders/1', `Authorization: Bearer ${token}`)).status).toBe(200)
    expect(claimsOf(await hop.upstream.request())).toMatchObject({ sub: 'alice', aud: 'orders-api' })
  })

  it.each(['bearer', 'BEARER', 'bEaReR'])('§2.1 takes the scheme as %s (RFC 9110 §11.1)', async scheme => {
    expect((await get('/orders/1', `Authorization: ${scheme} ${token}`)).status).toBe(200)
  })

  it.each(['az-AZ.09_~+/', 'a=', 'a.b.c==', '0'])('§2.1 reads %s as a b64token', async text => {
    expectChallenge(await get('/orders/1', `Authorization: Bearer ${text}`), 401, invalidToken)
  })

  it.each([
    ['no token', 'Bearer'],
    ['padding only', 'Bearer ='],
    ['padding inside', 'Bearer a=b'],
    ['a quote', 'Bearer "abc"'],
    ['a comma', 'Bearer a,b'],
    ['a percent sign', 'Bearer a%2Eb'],
    ['two words', 'Bearer abc def'],
    ['a tab for the space', 'Bearer\tabc'],
    ['a byte above ASCII', 'Bearer abc\xe9'],
    ['a parameter', 'Bearer token="abc"'],
  ])('§2.1 refuses %s, which is no b64token', async (_, value) => {
    expectChallenge(await get('/orders/1', `Authorization: ${value}`), 400, invalidRequest)
  })

  it('§2.1 refuses two spaces before the token, stricter than the grammar', async () => {
    expectChallenge(await get('/orders/1', `Authorization: Bearer  ${token}`), 400, invalidRequest)
  })
})

describe('§2.2 form-encoded body parameter', () => {
  it('§2.2 is not accepted: a token in the body is no credential', async () => {
    expectChallenge(await post('/orders', `access_token=${token}`), 401, bare)
  })

  it('§2.2 is not read: what a body says beside the header field is for the upstream', async () => {
    const body = 'access_token=other&x=1'
    const answer = await post('/orders', body, `Authorization: Bearer ${token}`)
    expect(answer.status).toBe(200)
    const received = await hop.upstream.request()
    expect(received.body.toString()).toBe(body)
    expect(claimsOf(received)).toMatchObject({ sub: 'alice' })
  })
})

describe('§2.3 URI query parameter', () => {
  it.each([
    ['as its only parameter', '?access_token=…'],
    ['behind others', '?p=q&access_token=…'],
    ['without a value', '?access_token'],
    ['in other letters', '?ACCESS_TOKEN=…'],
    ['with escaped letters', '?%61ccess%5Ftoken=…'],
  ])('§2.3 is not accepted: access_token %s', async (_, query) => {
    expectChallenge(await get(`/orders/1${query.replace('…', token)}`), 400, invalidRequest)
  })

  it('§2.3 is not accepted on a public route either: the URL would be logged behind', async () => {
    expectChallenge(await get(`/public/page?access_token=${token}`), 400, invalidRequest)
  })

  it('§2.3 leaves parameters alone that only look similar', async () => {
    const target = '/orders/1?my_access_token=1&access_token_type=x&q=access_token'
    expect((await get(target, `Authorization: Bearer ${token}`)).status).toBe(200)
    expect((await hop.upstream.request()).target).toBe(target)
  })
})

describe('§2 more than one method or token', () => {
  it('§2 refuses a token in the field and one in the query', async () => {
    const answer = await get(`/orders/1?access_token=${token}`, `Authorization: Bearer ${token}`)
    expectChallenge(answer, 400, invalidRequest)
  })

  it('§2 refuses two Authorization fields, even the same twice', async () => {
    const field = `Authorization: Bearer ${token}`
    expectChallenge(await get('/orders/1', field, field), 400, invalidRequest)
    expectChallenge(await get('/orders/1', 'Authorization: Basic YTpi', field), 400, invalidRequest)
  })

  it('§2 refuses two tokens in one field', async () => {
    for (const value of [`Bearer ${token}, Bearer ${token}`, `Bearer ${token},${token}`]) {
      expectChallenge(await get('/orders/1', `Authorization: ${value}`), 400, invalidRequest)
    }
  })
})

describe('§3 the WWW-Authenticate response header field', () => {
  it('§3 is without an error when the request brought no credentials', async () => {
    expectChallenge(await get('/orders/1'), 401, bare)
  })

  it('§3 is without an error when the credentials are of another scheme', async () => {
    for (const value of ['Basic YTpi', 'Negotiate YWJj', 'BearerX abc']) {
      expectChallenge(await get('/orders/1', `Authorization: ${value}`), 401, bare)
    }
  })

  it('§3 replaces the challenge of an upstream, which is about a token that the caller never had', async () => {
    const fields = { 'WWW-Authenticate': 'Bearer realm="behind", error="invalid_token"' }
    hop.upstream.answerWith(response(401, '', fields))
    const answer = await get('/orders/1', `Authorization: Bearer ${token}`)
    expect([answer.status, answer.header('www-authenticate')]).toEqual([401, bare])
  })

  it('§3 replaces the challenge of an upstream that refuses an upgrade', async () => {
    const fields = { 'WWW-Authenticate': 'Bearer realm="behind", error="invalid_token"' }
    hop.upstream.answerWith(response(401, '', fields))
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket']
    const answer = await get('/live', `Authorization: Bearer ${token}`, ...upgrade)
    expect(answer.status).toBe(401)
    expect(answer.header('www-authenticate')).toBe(bare)
  })

  it('§3 has parameters that occur once each, with values of the characters that are allowed', async () => {
    const poor = await hop.issuer.sign({ scope: 'other' })
    const answers = [
      await get('/orders/1'),
      await get('/orders/1', 'Authorization: Bearer "\\'),
      await get('/orders/1', 'Authorization: Bearer a.b.c'),
      await get('/orders/1', `Authorization: Bearer ${poor}`),
    ]
    const challenges = answers.map(answer => parseChallenge(answer.header('www-authenticate') ?? ''))
    expect(challenges.map(parameters => Object.fromEntries(parameters))).toEqual([
      { realm: 'orders' },
      { realm: 'orders', error: 'invalid_request' },
      { realm: 'orders', error: 'invalid_token' },
      { realm: 'orders', error: 'insufficient_scope', scope: 'orders:read' },
    ])
  })
})

describe('§3.1 error codes', () => {
  it('§3.1 invalid_request is 400', async () => {
    expectChallenge(await get('/orders/1', 'Authorization: Bearer a b'), 400, invalidRequest)
  })

  it('§3.1 invalid_token is 401 for every way in which a token is bad, and says no more', async () => {
    const now = Math.floor(Date.now() / 1000)
    const last = token.at(-5) === 'A' ? 'B' : 'A'
    const bodies = new Set<string>()
    for (const bad of [
      'opaque',
      `${token.slice(0, -5)}${last}${token.slice(-4)}`,
      await hop.issuer.sign({ exp: now - 600, iat: now - 900 }),
      await hop.issuer.sign({ aud: 'another-service' }),
      await hop.issuer.sign({ iss: 'https://elsewhere.test' }),
    ]) {
      const answer = await get('/orders/1', `Authorization: Bearer ${bad}`)
      expectChallenge(answer, 401, invalidToken)
      bodies.add(answer.text)
    }
    expect(bodies.size).toBe(1)
  })

  it('§3.1 insufficient_scope is 403 and names the scope that is needed', async () => {
    const poor = await hop.issuer.sign({ scope: 'orders:write' })
    const answer = await get('/orders/1', `Authorization: Bearer ${poor}`)
    expectChallenge(answer, 403, `${bare}, error="insufficient_scope", scope="orders:read"`)
  })
})

describe('§5.3 summary of recommendations', () => {
  it('§5.3 lets no bearer token get into logs, answers or page URLs, wherever it was sent', async () => {
    const others = await Promise.all([hop.issuer.sign({ aud: 'x' }), hop.issuer.sign({ scope: 'y' })])
    const [events, tokens] = [hop.lines.length, [token, ...others]]
    const answers = []
    for (const sent of tokens) {
      answers.push(await get('/orders/1', `Authorization: Bearer ${sent}`))
      answers.push(await get(`/orders/1?access_token=${sent}`))
      answers.push(await get('/orders/1', `Authorization: Bearer ${sent} ${sent}`))
      answers.push(await post('/orders', `access_token=${sent}`))
    }
    await hop.event(events + answers.length - 1)
    const issued = hop.upstream.requests.map(request => request.header('authorization')?.slice(7) ?? '')
    expect(issued).toHaveLength(1)
    const metrics = await (await fetch(`${hop.adminUrl}/metrics`)).text()
    const written = [...hop.lines, ...hop.tokenLines, ...hop.log, metrics, ...answers.map(({ raw }) => raw)]
    expectNoToken(written.join('\n'), [...tokens, ...issued])
    for (const { target } of hop.upstream.requests) expectNoToken(target, [...tokens, ...issued])
  })

  it('§5.3 issues tokens that are short-lived and for one audience', async () => {
    await get('/orders/1', `Authorization: Bearer ${token}`)
    const { iat, exp, aud } = claimsOf(await hop.upstream.request())
    expect(Number(exp) - Number(iat)).toBeLessThanOrEqual(60)
    expect(aud).toBe('orders-api')
  })

  it('§5.3 keeps refusals out of caches', async () => {
    const answers = [await get('/orders/1'), await get('/orders/1', 'Authorization: Bearer a.b.c')]
    expect(answers.map(answer => answer.header('cache-control'))).toEqual(['no-store', 'no-store'])
  })
})
