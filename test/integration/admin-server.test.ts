import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type AdminServer, startAdminServer } from '../../src/assemble/admin-server.ts'
import { silentLog } from '../../src/base/log.ts'
import { createMetricsSink } from '../../src/hop/record/metrics-sink.ts'
import { requestRaw } from '../support/raw-client.ts'

let admin: AdminServer
let reasons: string[]

async function start(): Promise<number> {
  reasons = []
  const metrics = createMetricsSink({ version: '0', hopsInFlight: () => 0, isAuditAccepting: () => true })
  const server = await startAdminServer(
    { host: '127.0.0.1', port: 0 },
    {
      log: silentLog,
      metrics,
      isReady: () => ({ ready: reasons.length === 0, reasons }),
      handlers: [
        async request =>
          request.path === '/token' ? { status: 200, headers: {}, body: request.body } : undefined,
      ],
    },
  )
  admin = {
    address: server.address,
    async close() {
      await server.close()
      await metrics.close()
    },
  }
  return server.address.port
}

afterEach(() => admin.close())

describe('the admin server', () => {
  it('serves probes, metrics and what is mounted, and keeps the connection', async () => {
    const port = await start()
    const get = (path: string) => requestRaw(port, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    expect((await get('/livez')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(200)
    reasons.push('draining')
    expect((await get('/readyz')).status).toBe(503)
    expect((await get('/readyz')).text).toContain('draining')
    const metrics = await get('/metrics')
    expect(metrics.header('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(metrics.text).toContain('hopgate_build_info')
    expect((await get('/nowhere')).status).toBe(404)
    const posted = `POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b`
    expect((await requestRaw(port, posted)).text).toBe('a=b')
  })

  it('takes no body above 64 KiB for what is mounted', async () => {
    const port = await start()
    const post = (size: number) =>
      requestRaw(
        port,
        `POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`,
      )
    expect((await post(64 * 1024)).status).toBe(200)
    expect((await post(64 * 1024 + 1)).status).toBe(413)
  })

  it('never repeats what was sent', async () => {
    const port = await start()
    const canary = 'canary-5e1f'
    for (const bytes of [
      `GET /${canary} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET /metrics?${canary} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `${canary} / HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${canary}.example\r\n\r\n`,
      `GET /livez HTTP/1.1\r\nHost: a\r\nOrigin: https://${canary}\r\n\r\n`,
      `PATCH /livez HTTP/1.1\r\nHost: a\r\nX-${canary}: ${canary}\r\n\r\n`,
    ]) {
      expect((await requestRaw(port, bytes)).raw.toString()).not.toContain(canary)
    }
  })

  it('accepts no connection after it was closed', async () => {
    const port = await start()
    await admin.close()
    const refused = await new Promise(resolve => connect(port, '127.0.0.1').once('error', resolve))
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' })
  })
})
