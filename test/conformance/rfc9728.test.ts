import * as oauth from 'oauth4webapi'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { describeProtectedResource } from '../../src/oauth/protected-resource.ts'
import { connectHttp2Client } from '../support/http2-client.ts'
import { type RawResponse, requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { response } from '../support/upstream.ts'

/** RFC 9728, seen from outside: what the sidecar says of the service behind it. */

const routes = `
  - { path: /orders/**, audience: orders-api, scope: orders:read, optional_scope: orders:refund }
  - { path: /admin/**, audience: orders-api, scope: [orders:admin, orders:read] }
  - { path: /public/**, public: true }
  - { path: /.well-known/**, public: true }
`
const wellKnown = '/.well-known/oauth-protected-resource'
let hop: RunningHop
let plain: RunningHop
let resource: string
let metadataUrl: string

beforeAll(async () => {
  const port = await findFreePort()
  resource = `http://127.0.0.1:${port}/v1`
  metadataUrl = `http://127.0.0.1:${port}${wellKnown}/v1`
  hop = await startHop({
    routes,
    listen: `127.0.0.1:${port}`,
    more: `protected_resource: { resource: '${resource}', name: Orders "API", documentation: 'https://docs.example.com/orders?v=1' }`,
  })
  plain = await startHop({ routes })
})
afterAll(async () => {
  await hop.close()
  await plain.close()
})
afterEach(() => {
  hop.upstream.clear()
  hop.upstream.answerWith(response(200, 'ok'))
})

const send = (head: string, to = hop): Promise<RawResponse> =>
  requestRaw(to.port, `${head.replace('\n', ' HTTP/1.1\r\nHost: api.test\r\n')}\r\n`)

describe('RFC 9728: protected resource metadata', () => {
  it('§2 says which resource it is, whose tokens it takes, and how', async () => {
    const answer = await send(`GET ${wellKnown}/v1\n`)
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.text)).toEqual({
      resource,
      authorization_servers: ['https://login.test'],
      scopes_supported: ['orders:admin', 'orders:read', 'orders:refund'],
      bearer_methods_supported: ['header'],
      resource_name: 'Orders "API"',
      resource_documentation: 'https://docs.example.com/orders?v=1',
    })
  })

  it('§2 leaves out what there is not', () => {
    const { document } = describeProtectedResource({
      resource: 'https://api.example.com',
      name: undefined,
      documentation: undefined,
      authorizationServers: ['kubernetes/serviceaccount'],
      scope: [],
    })
    expect(JSON.parse(document)).toEqual({
      resource: 'https://api.example.com',
      bearer_methods_supported: ['header'],
    })
  })

  it.each([
    ['https://api.example.com', wellKnown],
    ['https://api.example.com/', wellKnown],
    ['https://api.example.com/v1', `${wellKnown}/v1`],
    ['https://api.example.com/v1/', `${wellKnown}/v1/`],
    ['https://api.example.com:8443/a/b', `${wellKnown}/a/b`],
  ])('§3, §3.1 of %s is at %s', (identifier, path) => {
    const about = { name: undefined, documentation: undefined, authorizationServers: [], scope: [] }
    const metadata = describeProtectedResource({ ...about, resource: identifier })
    expect(metadata).toMatchObject({ path, url: `${new URL(identifier).origin}${path}` })
  })

  it('§3.1 is read by GET and HEAD, without a token, and goes no further', async () => {
    const got = await send(`GET ${wellKnown}/v1?x=1\n`)
    const head = await send(`HEAD ${wellKnown}/v1\nConnection: close\r\n`)
    expect([got.status, head.status, head.text]).toEqual([200, 200, ''])
    expect(head.header('content-length')).toBe(got.header('content-length'))
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await send(`${method} ${wellKnown}/v1\nContent-Length: 0\r\n`)
      expect([answer.status, answer.header('allow')]).toEqual([405, 'GET, HEAD'])
    }
    expect(hop.upstream.requests).toEqual([])
  })

  it('§3.1 is read over HTTP/2 as well', async () => {
    const client = await connectHttp2Client(hop.url)
    try {
      const got = await client.request({ ':path': `${wellKnown}/v1` })
      expect([got.status, JSON.parse(got.text).resource]).toEqual([200, resource])
      const head = await client.request({ ':path': `${wellKnown}/v1`, ':method': 'HEAD' })
      expect([head.status, head.headers['content-length'], head.text]).toEqual([
        200,
        got.headers['content-length'],
        '',
      ])
      const bare = await client.request({ ':path': '/orders/1' })
      expect(bare.headers['www-authenticate']).toContain(`resource_metadata="${metadataUrl}"`)
    } finally {
      await client.close()
    }
  })

  it('§3.2 is JSON, and may be kept for a while', async () => {
    const answer = await send(`GET ${wellKnown}/v1\n`)
    expect(answer.header('content-type')).toBe('application/json')
    expect(answer.header('cache-control')).toBe('public, max-age=300')
    expect(answer.header('www-authenticate')).toBeUndefined()
  })

  it('§3.1 is recorded like every other request, as one that was for this hop', async () => {
    const path = `${wellKnown}/v1`
    const recorded = (method: string) =>
      hop.lines.map(line => JSON.parse(line)).find(({ data }) => data.path === path && data.method === method)
    await send(`GET ${path}\n`)
    await expect
      .poll(() => recorded('GET'))
      .toMatchObject({
        type: 'io.hopgate.hop.answered.v1',
        data: { refusal: 'request.resource_metadata', status: 200 },
      })
    await send(`PURGE ${path}\n`)
    await expect
      .poll(() => recorded('PURGE'))
      .toMatchObject({
        type: 'io.hopgate.hop.refused.v1',
        data: { refusal: 'route.method_not_allowed', status: 405 },
      })
  })

  it.each([
    wellKnown,
    `${wellKnown}/v2`,
    `${wellKnown}/v1/`,
    `${wellKnown}/V1`,
    `${wellKnown.toUpperCase()}/v1`,
  ])('§3.1 is at its one place: %s belongs to the routes', async path => {
    await send(`GET ${path}\n`)
    const reached = hop.upstream.requests.map(request => request.target)
    expect(reached).toEqual(path.startsWith('/.well-known') ? [path] : [])
  })

  it('§3.1 is not there where nothing is configured: the path belongs to the routes', async () => {
    await send(`GET ${wellKnown}/v1\n`, plain)
    expect((await plain.upstream.request()).target).toBe(`${wellKnown}/v1`)
    plain.upstream.clear()
  })

  it('§3.3 is taken by an independent client (oauth4webapi), since the resource is the one that it asked for', async () => {
    const identifier = new URL(resource)
    const insecure = { [oauth.allowInsecureRequests]: true }
    const answer = await oauth.resourceDiscoveryRequest(identifier, insecure)
    const metadata = await oauth.processResourceDiscoveryResponse(identifier, answer)
    expect(metadata).toMatchObject({ resource, authorization_servers: ['https://login.test'] })
  })

  it('§5.1 is named by every challenge, whatever is wrong', async () => {
    const named = `resource_metadata="${metadataUrl}"`
    const bare = await send('GET /orders/1\n')
    expect([bare.status, bare.header('www-authenticate')]).toEqual([401, `Bearer realm="orders", ${named}`])
    const bad = await send('GET /orders/1\nAuthorization: Bearer x\r\n')
    expect(bad.header('www-authenticate')).toBe(`Bearer realm="orders", error="invalid_token", ${named}`)
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    const narrow = await send(`GET /admin/1\nAuthorization: Bearer ${token}\r\n`)
    expect([narrow.status, narrow.header('www-authenticate')]).toEqual([
      403,
      `Bearer realm="orders", error="insufficient_scope", scope="orders:admin orders:read", ${named}`,
    ])
  })

  it('§5.1 is named by the challenge that replaces one of upstream', async () => {
    hop.upstream.enqueue(
      response(401, '', { 'WWW-Authenticate': 'Bearer resource_metadata="https://inner.test/x"' }),
    )
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    const answer = await send(`GET /orders/1\nAuthorization: Bearer ${token}\r\n`)
    expect(answer.header('www-authenticate')).toBe(
      `Bearer realm="orders", resource_metadata="${metadataUrl}"`,
    )
  })

  it('§5.1 is named nowhere where nothing is configured', async () => {
    const answer = await send('GET /orders/1\n', plain)
    expect(answer.header('www-authenticate')).toBe('Bearer realm="orders"')
  })
})
