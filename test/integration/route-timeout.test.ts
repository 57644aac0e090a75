import { once } from 'node:events'
import {
  createServer as createHttp1Server,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const routes = `
  - { path: /quick/**, public: true, timeout: 250ms }
  - { path: /patient/**, public: true }
  - { path: /orders/**, audience: orders-api, scope: orders:read, timeout: 250ms }
`

describe.each([
  ['http1', (answer: Answer): Server => createHttp1Server(answer)],
  ['h2', (answer: Answer): Server => createHttp2Server(answer as never) as unknown as Server],
])("a route's timeout, with an upstream that speaks %s,", (protocol, createServer) => {
  let unused: Upstream
  let server: Server
  let hop: RunningHop
  let answer: Answer
  let events = 0
  /** Requests whose response upstream saw closed before it was ended. */
  let brokenOff = 0

  beforeAll(async () => {
    unused = await startUpstream()
    server = createServer((request, response) => {
      response.once('close', () => {
        if (!response.writableEnded) brokenOff += 1
      })
      answer(request, response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const url = `{ url: 'http://127.0.0.1:${port}', protocol: ${protocol} }`
    hop = await startHop({ routes, upstream: { ...unused, url } })
  })

  afterAll(async () => {
    await hop.close()
    server.close()
    await unused.close()
  })

  afterEach(() => {
    brokenOff = 0
    events = hop.lines.length
  })

  it('refuses with 504 when it passes before the head, and gives the request up', async () => {
    answer = () => {}
    const response = await fetch(`${hop.url}/quick/1`)
    expect(response.status).toBe(504)
    expect(await response.json()).toMatchObject({ code: 'upstream.timeout' })
    expect(await hop.event(events)).toMatchObject({
      type: 'io.hopgate.hop.failed.v1',
      refusal: 'upstream.timeout',
      detail: "the route's timeout has passed",
    })
    await until(() => brokenOff === 1, 'upstream to see it')
  })

  it('breaks the response off when it passes after the head', async () => {
    answer = (_, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('more '), 20)
      response.once('close', () => clearInterval(timer))
    }
    const response = await fetch(`${hop.url}/quick/1`)
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
    expect(await hop.event(events)).toMatchObject({
      type: 'io.hopgate.hop.failed.v1',
      delivery: { complete: false },
    })
    await until(() => brokenOff === 1, 'upstream to see it')
  })

  it('passes while the request is still being sent as well', async () => {
    answer = (request, response) => {
      request.resume()
      request.on('end', () => response.end('late'))
      request.on('error', () => {})
    }
    const body = new ReadableStream({
      async pull(controller) {
        await new Promise(resolve => setTimeout(resolve, 50))
        controller.enqueue(Buffer.from('more '))
      },
    })
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    const outcome = await fetch(`${hop.url}/quick/1`, init).then(
      ({ status }) => status,
      () => 'broken off',
    )
    expect([504, 'broken off']).toContain(outcome)
    expect(await hop.event(events)).toMatchObject({ refusal: 'upstream.timeout' })
  })

  it('counts from the arrival of the request: what came before took some of it', async () => {
    answer = (_, response) => response.end('ok')
    const token = await hop.issuer.sign({ scope: 'orders:read' })
    const headers = { authorization: `Bearer ${token}` }
    expect((await fetch(`${hop.url}/orders/1`, { headers })).status).toBe(200)
    answer = () => {}
    expect((await fetch(`${hop.url}/orders/1`, { headers })).status).toBe(504)
  })

  it('changes nothing while it has not passed, and nothing on a route without one', async () => {
    answer = (_, response) => response.end('ok')
    expect(await (await fetch(`${hop.url}/quick/1`)).text()).toBe('ok')
    answer = (_, response) => setTimeout(() => response.end('slow'), 600)
    expect(await (await fetch(`${hop.url}/patient/1`)).text()).toBe('slow')
  })
})
