import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createConnect } from '../../../src/hop/forward/connect.ts'
import { createHttp1Client } from '../../../src/hop/forward/http1/http1-client.ts'
import type { UpstreamClient } from '../../../src/hop/forward/upstream-client.ts'
import {
  canMakeCertificates,
  createAuthority,
  createCertificate,
  withCertificates,
} from '../../support/certificate.ts'
import { sendRecorded } from '../../support/recorded-response.ts'
import { aRequestBody } from '../../support/request-body.ts'
import { openMaterial, writeTlsFiles } from '../../support/tls.ts'
import { until } from '../../support/until.ts'

describe.skipIf(!canMakeCertificates)(`the HTTP/1.1 client over TLS${withCertificates}`, () => {
  const authority = createAuthority()
  const certificate = authority.issue({ names: ['IP:127.0.0.1'] })

  /** Listens, until the test has ended, and makes a client of it. */
  async function start(server: Server, connectTimeoutMs = 5_000) {
    const sockets = new Set<Socket>()
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    })
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const material = openMaterial(writeTlsFiles({ ca: authority.cert }))
    const target = { url, serverName: undefined, spiffeIds: [] }
    const client: UpstreamClient = createHttp1Client({
      connect: createConnect(url, 'http/1.1', { material, target }),
      connectTimeoutMs,
      headersTimeoutMs: 10_000,
      bodyTimeoutMs: 10_000,
      maxConnections: 4,
    })
    onTestFinished(async () => {
      await client.close()
      await until(() => sockets.size === 0, 'the end of the connections')
      server.close()
    })
    return { client, sockets }
  }

  it('carries large bodies both ways, and waits when it is paused', async () => {
    const { client } = await start(createHttpsServer(certificate, (request, answer) => request.pipe(answer)))
    const { source, body } = aRequestBody()
    const { recorded, call } = sendRecorded(client, { method: 'PUT', body })
    let pauses = 0
    recorded.onPiece = () => {
      if (++pauses % 50 !== 0) return
      call.pause()
      setTimeout(() => call.resume(), 5)
    }
    const sent = createHash('sha256')
    for (let count = 0; count < 300; count++) {
      const piece = randomBytes(40_000 + count)
      sent.update(piece)
      if (!source.write(piece)) await once(source, 'drain')
    }
    source.end()
    await recorded.over(30_000)
    expect(recorded.failure).toBeUndefined()
    expect(createHash('sha256').update(recorded.body).digest('hex')).toBe(sent.digest('hex'))
    expect(pauses).toBeGreaterThan(50)
  })

  it('uses its connections again, and gives everybody their own answer', async () => {
    let connections = 0
    const server = createHttpsServer(certificate, (request, answer) => answer.end(`answer to ${request.url}`))
    server.on('secureConnection', () => connections++)
    const { client } = await start(server)
    for (let round = 0; round < 5; round++) {
      const all = Array.from(
        { length: 20 },
        (_, index) => sendRecorded(client, { target: `/${round}-${index}` }).recorded,
      )
      for (const [index, recorded] of all.entries()) {
        expect((await recorded.over()).text).toBe(`answer to /${round}-${index}`)
      }
    }
    expect(connections).toBeLessThanOrEqual(4)
  })

  it('sees what comes in the same record behind a response, and gives it to nobody', async () => {
    const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    const answer = (socket: TLSSocket): void => {
      socket.on('error', () => {})
      socket.on('data', () => socket.write(`${ok}${ok.replace(/ok$/, 'XX')}`))
    }
    const { client } = await start(createTlsServer(certificate, answer))
    const all = Array.from({ length: 20 }, () => sendRecorded(client).recorded)
    for (const recorded of all) expect((await recorded.over()).text).toBe('ok')
  })

  it.each<[string, () => Server, RegExp]>([
    [
      'shows the certificate of somebody else',
      () => createTlsServer(createCertificate('IP:127.0.0.1')),
      /^DEPTH_ZERO_SELF_SIGNED_CERT$/,
    ],
    [
      'shows another name',
      () => createTlsServer(authority.issue({ names: ['IP:127.0.0.2'] })),
      /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    ],
    [
      'speaks no TLS',
      () => createTcpServer(socket => socket.resume().end('HTTP/1.1 200 OK\r\n\r\n')),
      /^ERR_SSL_/,
    ],
    [
      'hangs up',
      () => createTcpServer(socket => socket.once('data', () => socket.end())),
      /before it could be used$/,
    ],
    [
      'resets the connection',
      () => createTcpServer(socket => socket.once('data', () => socket.resetAndDestroy())),
      /^ECONNRESET$/,
    ],
  ])('fails once with an upstream that %s, and sends it nothing', async (_, createServer, detail) => {
    const server = createServer()
    let heard = 0
    server.on('secureConnection', (socket: TLSSocket) => {
      socket.on('error', () => {})
      socket.on('data', chunk => {
        heard += chunk.length
      })
    })
    const { client } = await start(server)
    for (const method of ['GET', 'POST']) {
      const { recorded } = sendRecorded(client, { method })
      await recorded.over()
      expect(recorded.failure).toEqual({
        code: 'upstream.unreachable',
        detail: expect.stringMatching(detail),
      })
    }
    expect(heard).toBe(0)
  })

  it('gives up an upstream that never says hello', async () => {
    const { client, sockets } = await start(
      createTcpServer(socket => socket.resume()),
      200,
    )
    const { recorded } = sendRecorded(client)
    await recorded.over()
    expect(recorded.failure).toEqual({ code: 'upstream.timeout', detail: 'no connection' })
    await until(() => sockets.size === 0, 'the end of the connection')
  })
})
