import { describe, expect, it } from 'vitest'
import { type AdminOptions, createAdminHandler } from '../../../src/assemble/admin-server.ts'
import type { HttpRequest } from '../../../src/base/http-message.ts'
import { silentLog } from '../../../src/base/log.ts'

const metrics = { contentType: 'text/plain; version=0.0.4', metricsText: async () => 'a 1\n' }

async function ask(
  path: string,
  about: Partial<Omit<HttpRequest, 'headers'>> & { readonly headers?: Readonly<Record<string, string>> } = {},
  options: Partial<AdminOptions> = {},
) {
  const handler = createAdminHandler({
    log: silentLog,
    metrics,
    isReady: () => ({ ready: true, reasons: [] }),
    ...options,
  })
  const headers = new Map(
    Object.entries({ host: '127.0.0.1:9090', ...about.headers }).map(([name, value]) => [name, [value]]),
  )
  return handler({ method: 'GET', query: '', body: '', peer: '127.0.0.1', path, ...about, headers })
}

describe('the admin address', () => {
  it('serves the metrics with their media type', async () => {
    expect(await ask('/metrics')).toEqual({
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4' },
      body: 'a 1\n',
    })
  })

  it('is live while the process is, ready or not, and says which build it is', async () => {
    const live = await ask('/livez', {}, { isReady: () => ({ ready: false, reasons: ['starting'] }) })
    expect(live?.status).toBe(200)
    expect(JSON.parse(live?.body ?? '')).toEqual({
      live: true,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      node: process.versions.node,
    })
  })

  it('is ready, or says why not', async () => {
    expect((await ask('/readyz'))?.status).toBe(200)
    const reasons = ['draining']
    const not = await ask('/readyz', {}, { isReady: () => ({ ready: false, reasons }) })
    expect([not?.status, JSON.parse(not?.body ?? '')]).toEqual([503, { ready: false, reasons }])
  })

  it('says what is wrong also while it is ready all the same', async () => {
    const reasons = ['configuration: the last reload was rejected']
    const ready = await ask('/readyz', {}, { isReady: () => ({ ready: true, reasons }) })
    expect([ready?.status, JSON.parse(ready?.body ?? '')]).toEqual([200, { ready: true, reasons }])
  })

  it.each(['/', '/metrics/', '/metrics/..', '//metrics', '/METRICS', '/debug', '/config', '/__proto__'])(
    'knows no %s',
    async path => {
      expect(await ask(path)).toBeUndefined()
    },
  )

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])(
    'answers %s with the methods it knows',
    async method => {
      for (const path of ['/metrics', '/livez', '/readyz']) {
        expect(await ask(path, { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
      }
      expect(await ask('/livez', { method: 'HEAD' })).toMatchObject({ status: 200 })
    },
  )

  it('asks the mounted handlers in turn, for other paths only', async () => {
    const asked: string[] = []
    const answering = (name: string, path: string) => async (request: HttpRequest) => {
      asked.push(`${name} ${request.path}`)
      return request.path === path ? { status: 200, headers: {}, body: name } : undefined
    }
    const handlers = [answering('a', '/token'), answering('b', '/jwks')]
    expect((await ask('/jwks', {}, { handlers }))?.body).toBe('b')
    expect((await ask('/token', { method: 'POST' }, { handlers }))?.body).toBe('a')
    expect(await ask('/other', {}, { handlers })).toBeUndefined()
    expect((await ask('/livez', {}, { handlers }))?.body).toContain('live')
    expect(asked).toEqual(['a /jwks', 'b /jwks', 'a /token', 'a /other', 'b /other'])
  })
})

// A browser inside the network is the attacker's hand: any page may send it here, and with DNS rebinding even read the
// answer. Probes, scrapers and services send none of these fields and use addresses or names of the private network.
describe('a web page', () => {
  const mounted = { handlers: [async () => ({ status: 200, headers: {}, body: 'token' })] }

  it.each<Record<string, string>>([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: '' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { host: 'evil.example' },
    { host: 'evil.example:9090' },
    { host: '127.0.0.1.evil.example' },
    { host: 'localhost.evil.example' },
    { host: 'evil.example.' },
    { host: 'evil-local' + '.com' },
    { host: 'user@127.0.0.1' },
    { host: '127.0.0.1, evil.example' },
    { host: '127.0.0.1/x' },
    { host: '[::1]evil.example' },
    { host: '[127.0.0.1]' },
    { host: '' },
    { host: '.' },
    { host: '%31' },
  ])('gets nothing with %j', async headers => {
    for (const path of ['/metrics', '/livez', '/readyz', '/token']) {
      expect(await ask(path, { headers }, mounted)).toEqual({ status: 403, headers: {}, body: '' })
    }
  })

  it.each<Record<string, string>>([
    { host: '127.0.0.1' },
    { host: '10.1.2.3:9090' },
    { host: '[::1]:9090' },
    { host: '[fd00::a]' },
    { host: 'localhost:9090' },
    { host: 'orders' },
    { host: 'orders-gate_1:9090' },
    { host: 'orders.shop.svc' },
    { host: 'orders.shop.svc.cluster.local:9090' },
    { host: 'Orders.Internal' },
    { host: 'orders.internal.' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'same-origin' },
  ])('is not who asks with %j', async headers => {
    expect(await ask('/metrics', { headers })).toMatchObject({ status: 200 })
  })

  it('is not a health checker that speaks HTTP/1.0 without Host', async () => {
    const handler = createAdminHandler({
      log: silentLog,
      metrics,
      isReady: () => ({ ready: true, reasons: [] }),
    })
    const bare = { method: 'GET', path: '/livez', query: '', body: '', peer: '', headers: new Map() }
    expect(await handler(bare)).toMatchObject({ status: 200 })
  })
})
