import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LineWriter } from '../../src/base/line-writer.ts'
import { type RefusalAnswer, type RefusalCode, refusals } from '../../src/model/refusal.ts'
import { openRaw, readAnswer, requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { response } from '../support/upstream.ts'
import { handshakeFields } from '../support/websocket-bytes.ts'

let hop: RunningHop
let token: string
let seen = 0

const routes = `
  - { path: '/orders/**', methods: [GET, POST], audience: orders-api, scope: orders:read }
  - { path: /refunds, methods: [POST], audience: orders-api, scope: orders:refund }
  - { path: /partners, audience: orders-api, clients: [partner] }
  - { path: '/public/**', public: true }
  - { path: /live, audience: orders-api, websocket: { origins: [https://app.test] } }
`

beforeAll(async () => {
  const more = `
limits: { body: 1KiB, target: 2KiB, headers: 8KiB, header_count: 50 }
timeouts: { headers: 300ms, upstream_headers: 300ms }`
  hop = await startHop({ routes, more })
  token = await hop.issuer.sign({ scope: 'orders:read' })
})

afterAll(() => hop.close())

afterEach(() => {
  seen = hop.lines.length
  hop.upstream.clear()
})

/** Sends a request, and checks the answer and the one event against the refusal's row. */
async function expectRefusal(
  code: RefusalCode,
  raw: string,
): Promise<Awaited<ReturnType<typeof requestRaw>>> {
  const answer = await requestRaw(hop.port, raw)
  const row: RefusalAnswer = refusals[code]
  expect(answer.status).toBe(row.status)
  expect(JSON.parse(answer.text)).toEqual({ type: 'about:blank', title: row.title, status: row.status, code })
  expect(answer.header('content-type')).toBe('application/problem+json')
  expect(answer.header('cache-control')).toBe('no-store')
  expect(answer.header('retry-after') !== undefined).toBe(row.retry === true)
  if (row.close === true) expect(answer.header('connection')).toBe('close')
  const event = await hop.event(seen)
  expect(event).toMatchObject({ status: row.status, refusal: code })
  expect(hop.lines).toHaveLength(seen + 1)
  return answer
}

const get = (path: string, ...fields: string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: orders.test\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`
const withToken = (): string => `Authorization: Bearer ${token}`

describe('a refusal', () => {
  it.each<[RefusalCode, string]>([
    ['request.malformed', get('/orders/../admin')],
    ['request.malformed', 'GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n'],
    ['request.header_too_large', get('/orders', `X-Big: ${'x'.repeat(9_000)}`)],
    ['request.header_too_large', get('/orders', ...Array.from({ length: 60 }, (_, n) => `X-${n}: 1`))],
    ['request.target_too_long', get(`/orders/${'x'.repeat(3_000)}`)],
    ['request.body_too_large', 'POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n'],
    ['request.expectation', get('/orders', 'Expect: 200-ok')],
    ['request.timeout', 'GET /orders HTTP/1.1\r\nHost: '],
    ['request.method', 'TRACE /orders HTTP/1.1\r\nHost: orders.test\r\n\r\n'],
    ['request.method', 'CONNECT orders.test:80 HTTP/1.1\r\nHost: orders.test\r\n\r\n'],
    ['request.origin', get('/live', ...handshakeFields, 'Origin: https://evil.test')],
    ['request.loop', get('/orders', 'Via: 1.1 edge, 1.1 hopgate-orders')],
    ['route.not_found', get('/elsewhere')],
    ['token.missing', get('/orders')],
    ['token.missing', get('/orders', 'Authorization: Basic YTpi')],
    ['token.ambiguous', get('/orders', 'Authorization: Bearer a', 'Authorization: Bearer a')],
    ['token.ambiguous', get('/orders?access_token=a')],
    ['token.malformed', get('/orders', 'Authorization: Bearer a b')],
    ['token.invalid', get('/orders', 'Authorization: Bearer a.b.c')],
  ])('%s reaches nobody behind', async (code, raw) => {
    await expectRefusal(code, raw)
    expect(hop.upstream.requests).toEqual([])
  })

  it('names the methods that the path takes', async () => {
    const answer = await expectRefusal('route.method_not_allowed', get('/refunds', withToken()))
    expect(answer.header('allow')).toBe('POST')
  })

  it('challenges without an error when no token came, and with one when a bad one did (RFC 6750 §3)', async () => {
    const missing = await expectRefusal('token.missing', get('/orders'))
    expect(missing.header('www-authenticate')).toBe('Bearer realm="orders"')
    seen = hop.lines.length
    const invalid = await expectRefusal('token.invalid', get('/orders', 'Authorization: Bearer a.b.c'))
    expect(invalid.header('www-authenticate')).toBe('Bearer realm="orders", error="invalid_token"')
  })

  it('names the scope that is missing', async () => {
    const answer = await expectRefusal(
      'policy.scope_missing',
      `POST /refunds HTTP/1.1\r\nHost: a\r\n${withToken()}\r\n\r\n`,
    )
    expect(answer.header('www-authenticate')).toBe(
      'Bearer realm="orders", error="insufficient_scope", scope="orders:refund"',
    )
  })

  it('tells the record which rule denied, and the caller nothing', async () => {
    const answer = await expectRefusal('policy.denied', get('/partners', withToken()))
    expect(answer.text).not.toContain('partner')
    expect(await hop.event(seen)).toMatchObject({ decision: { rule: '/partners#clients', effect: 'deny' } })
  })

  it('answers 502 and 504 for an upstream that breaks off, speaks nonsense or says nothing', async () => {
    const request = get('/orders', withToken())
    hop.upstream.enqueue({ action: 'reset' })
    await expectRefusal('upstream.unreachable', request)
    seen = hop.lines.length
    hop.upstream.enqueue('nonsense\r\n\r\n')
    await expectRefusal('upstream.malformed', request)
    seen = hop.lines.length
    hop.upstream.enqueue({ action: 'hang' })
    await expectRefusal('upstream.timeout', request)
  })

  it('reads no body that nobody will get, and closes', async () => {
    const socket = await openRaw(hop.port)
    socket.write('POST /orders HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n')
    const answer = await readAnswer(socket, { responses: 1 })
    expect(answer.interim).toEqual([])
    expect(answer.responses[0]?.status).toBe(401)
    socket.destroy()
  })

  it('breaks a body off that turns out too large', async () => {
    hop.upstream.answerWith((_request, _socket) => response(200, 'late'))
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`
    await expectRefusal(
      'request.body_too_large',
      `POST /orders HTTP/1.1\r\nHost: a\r\n${withToken()}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`,
    )
    hop.upstream.answerWith(response(200, 'ok'))
  })

  it('records a caller who goes away before the answer', async () => {
    hop.upstream.enqueue({ action: 'hang' })
    const socket = await openRaw(hop.port)
    socket.write(get('/orders', withToken()))
    await hop.upstream.request()
    socket.destroy()
    expect(await hop.event(seen)).toMatchObject({ refusal: 'client.closed', status: 499 })
  })
})

describe('an outage', () => {
  let other: RunningHop | undefined

  afterEach(async () => {
    await other?.close()
    other = undefined
  })

  const ask = async (): Promise<number> => {
    if (other === undefined) throw new Error('no hop')
    const answer = await requestRaw(
      other.port,
      get('/orders', `Authorization: Bearer ${await tokenOf(other)}`),
    )
    expect(await other.event()).toMatchObject({ status: answer.status })
    return answer.status
  }
  const tokenOf = (of: RunningHop): Promise<string> => of.issuer.sign({ scope: 'orders:read' })

  it('of the issuer keys is 503, not 401: nobody can say that the token is bad', async () => {
    other = await startHop({
      routes,
      issuerKeys: `{ jwks_uri: 'http://127.0.0.1:${await closedPort()}/jwks' }`,
    })
    expect(await ask()).toBe(503)
    expect(await other.event()).toMatchObject({ refusal: 'token.keys_unavailable' })
    expect((await fetch(`${other.adminUrl}/readyz`)).status).toBe(503)
    expect((await fetch(`${other.adminUrl}/livez`)).status).toBe(200)
  })

  it("of the authorization server is 503, and the caller's token goes nowhere", async () => {
    const server = `http://127.0.0.1:${await closedPort()}`
    other = await startHop({
      routes,
      exchange: `{ server: '${server}', client: { authentication: client_secret_basic, secret: '\${TEST_SECRET}' } }`,
    })
    expect(await ask()).toBe(503)
    expect(await other.event()).toMatchObject({ refusal: 'exchange.unavailable' })
    expect(other.upstream.requests).toEqual([])
  })

  it('of the audit trail refuses every request when the configuration says so', async () => {
    other = await startHop({ routes, more: 'audit: { when_full: refuse }', auditWriter: refusingWriter() })
    const answer = await requestRaw(
      other.port,
      get('/orders', `Authorization: Bearer ${await tokenOf(other)}`),
    )
    expect(answer.status).toBe(503)
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'audit.unavailable' })
    expect(other.upstream.requests).toEqual([])
  })

  it('of the audit trail refuses privileged routes and lets the others go on, otherwise', async () => {
    const mixed = `
  - { path: /refunds, audience: orders-api, privileged: true }
  - { path: /orders, audience: orders-api }`
    other = await startHop({ routes: mixed, auditWriter: refusingWriter() })
    const authorization = `Authorization: Bearer ${await tokenOf(other)}`
    expect((await requestRaw(other.port, get('/refunds', authorization))).status).toBe(503)
    expect((await requestRaw(other.port, get('/orders', authorization))).status).toBe(200)
    const metrics = await (await fetch(`${other.adminUrl}/metrics`)).text()
    expect(metrics).toMatch(/hopgate_audit_lost_total 2/)
  })
})

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

function refusingWriter(): LineWriter {
  return { write: () => false, isAccepting: () => false, reopen() {}, async close() {} }
}
