import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'

/** A sidecar and a decision point over real HTTP, whatever that answers. */

interface Evaluation {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Readonly<Record<string, unknown>>
}

let hop: RunningHop
let evaluations: Evaluation[] = []
let answer: (response: ServerResponse) => void
const sendJson =
  (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
const permit = sendJson({ decision: true })

const server = createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  request.on('end', () => {
    evaluations.push({ path: request.url ?? '', headers: request.headers, body: JSON.parse(text) })
    answer(response)
  })
})

beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  hop = await startHop({
    routes: `
  - { path: /strict/**, audience: orders-api, scope: orders:read, decide: { point: pdp, cache: 0s } }
  - { path: /lenient/**, audience: orders-api, scope: orders:read, decide: { point: pdp, cache: 0s, when_unavailable: ignore } }
  - { path: /kept/**, audience: orders-api, scope: orders:read, decide: pdp }
  - { path: /never/**, audience: orders-api, scope: orders:read, allow: "false", decide: pdp }
`,
    more: `decision_points:
  pdp: { url: 'http://127.0.0.1:${port}', secret: "\${TEST_SECRET}", timeout: 1s, claims: [department] }
`,
  })
})

afterAll(async () => {
  await hop.close()
  server.closeAllConnections()
  server.close()
})

afterEach(() => {
  evaluations = []
  hop.upstream.clear()
})

async function get(path: string, claims: Record<string, unknown> = {}) {
  const token = await hop.issuer.sign({ scope: 'orders:read', ...claims })
  const index = hop.lines.length
  const response = await requestRaw(
    hop.port,
    `GET ${path} HTTP/1.1\r\nHost: orders.test\r\nX-Request-Id: request-17\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  )
  const event = await hop.event(index)
  return { token, response, status: response.status, event, decision: event['decision'] }
}

describe('a decision point', () => {
  it('is asked over HTTP as AuthZEN says, and lets pass what it permits', async () => {
    answer = permit
    const { status, token } = await get('/strict/1?secret=x', { department: 'sales', salary: 7 })
    expect(status).toBe(200)
    expect(evaluations).toHaveLength(1)
    const [{ path, headers, body }] = evaluations as [Evaluation]
    expect(path).toBe('/access/v1/evaluation')
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      authorization: 'Bearer test-secret',
      'x-request-id': 'request-17',
    })
    expect(body).toMatchObject({
      subject: { type: 'user', id: 'alice', properties: { claims: { department: 'sales' } } },
      action: { name: 'GET' },
      resource: { type: 'route', id: '/strict/**', properties: { path: '/strict/1' } },
      context: { service: 'orders' },
    })
    const text = JSON.stringify([body, headers])
    for (const secret of [token, token.split('.')[2] ?? token, 'salary', 'secret=x']) {
      expect(text).not.toContain(secret)
    }
  })

  it('denies, and the record says who', async () => {
    answer = sendJson({ decision: false, context: { reason_admin: { 403: 'policy C076E82F' } } })
    const { status, response, event, decision } = await get('/strict/1')
    expect(status).toBe(403)
    expect(event).toMatchObject({ refusal: 'policy.denied', detail: expect.stringContaining('C076E82F') })
    expect(decision).toMatchObject({ effect: 'deny', rule: '/strict/**#decide' })
    expect(response.text).not.toContain('C076E82F')
    expect(hop.upstream.requests).toEqual([])
  })

  it('makes a step-up challenge of what it wants of the user', async () => {
    answer = sendJson({
      decision: false,
      context: { acr_values: 'urn:com:example:loa:3', amr_values: 'mfa' },
    })
    const { status, response, event } = await get('/strict/1')
    expect(status).toBe(401)
    expect(response.header('www-authenticate')).toBe(
      'Bearer realm="orders", error="insufficient_user_authentication", acr_values="urn:com:example:loa:3"',
    )
    expect(event).toMatchObject({ refusal: 'token.step_up' })
  })

  it('is not asked about what the policy denies, and can permit nothing of it', async () => {
    answer = permit
    expect((await get('/never/1')).status).toBe(403)
    expect(evaluations).toEqual([])
  })

  it('is asked once for the same question in a while', async () => {
    answer = permit
    expect((await get('/kept/1')).status).toBe(200)
    answer = sendJson({ decision: false })
    expect((await get('/kept/1')).status).toBe(200)
    expect((await get('/kept/2')).status).toBe(403)
    expect((await get('/kept/1', { sub: 'bob' })).status).toBe(403)
    expect(evaluations).toHaveLength(3)
  })
})

describe('a decision point in trouble', () => {
  const bytes = (text: string) => (response: ServerResponse) => response.socket?.end(text)
  const faults: readonly [string, (response: ServerResponse) => void][] = [
    ['never answers', () => {}],
    ['begins and never ends', response => void response.write('{"decision":')],
    ['answers 500', sendJson({ decision: true }, 500)],
    ['answers 503', sendJson('', 503)],
    ['answers 401', sendJson({ decision: true }, 401)],
    [
      'redirects to one who permits',
      sendJson({ decision: true }, 307, { location: '/access/v1/evaluation' }),
    ],
    ['answers garbage', sendJson('<html>decision: true</html>')],
    ['answers "true"', sendJson({ decision: 'true' })],
    ['answers 1', sendJson({ decision: 1 })],
    ['answers without a decision', sendJson({ context: { decision: true } })],
    ['answers twice', sendJson('{"decision":false,"decision":true}')],
    ['answers ten megabytes', sendJson(`{"decision":true,"x":"${'x'.repeat(10_000_000)}"}`)],
    ['compresses what nobody asked it to', sendJson('x', 200, { 'content-encoding': 'gzip' })],
    ['hangs up', response => void response.destroy()],
    ['speaks no HTTP', bytes('SSH-2.0-OpenSSH_9.6\r\n')],
    ['cuts its answer', bytes('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"decision":true}')],
  ]

  it.each(faults)(
    'that %s lets nothing pass, unless the route goes by the policy alone',
    async (_, fault) => {
      answer = fault
      const { status, response, event } = await get('/strict/1')
      expect({ status, refusal: event.refusal }).toEqual({ status: 503, refusal: 'policy.unavailable' })
      expect(response.header('retry-after')).toBe('1')
      expect(hop.upstream.requests).toEqual([])
      const lenient = await get('/lenient/1')
      expect(lenient.status).toBe(200)
      expect(lenient.decision).toMatchObject({ effect: 'permit', rule: '/lenient/** (pdp unavailable)' })
      answer = permit
      expect((await get('/strict/1')).status).toBe(200)
    },
  )

  it('is in the log without its secret and without a token', async () => {
    answer = sendJson({ decision: 'test-secret' })
    const { token } = await get('/strict/1')
    const said = [...hop.log, ...hop.lines].join('\n')
    expect(said).toContain('decision point does not answer')
    expect(said).not.toContain(token.split('.')[2])
  })
})
