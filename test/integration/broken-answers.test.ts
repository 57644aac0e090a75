import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { canMakeCertificates, createAuthority, withCertificates } from '../support/certificate.ts'
import { pause } from '../support/pause.ts'
import { openRaw, sendRaw } from '../support/raw-client.ts'
import { type HopOptions, type RunningHop, startHop } from '../support/start-hop.ts'
import { writeTlsFiles } from '../support/tls.ts'
import { until } from '../support/until.ts'
import { response } from '../support/upstream.ts'

const running: RunningHop[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map(hop => hop.close()))
})

async function start(options: HopOptions = {}): Promise<RunningHop> {
  const hop = await startHop(options)
  running.push(hop)
  return hop
}

const get = (path: string, version = '1.1'): string => `GET ${path} HTTP/${version}\r\nHost: a\r\n\r\n`

/** What a connection says until it is over, and how it ended: properly, or with an error. */
async function readToTheEnd(socket: Socket): Promise<{ text: string; ending: string }> {
  let text = ''
  let ending = 'closed'
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.on('end', () => {
    ending = 'ended'
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    ending = error.code ?? error.message
  })
  socket.resume()
  if (!socket.closed) await once(socket, 'close').catch(() => {})
  return { text, ending }
}

describe('an answer whose end is the end of the connection, for an HTTP/1.0 caller', () => {
  const unframed = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n'

  it('ends properly when it is whole', async () => {
    const hop = await start()
    hop.upstream.answerWith(`${unframed}0\r\n\r\n`)
    const socket = await openRaw(hop.port)
    socket.write(get('/public/1', '1.0'))
    const { text, ending } = await readToTheEnd(socket)
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nfirst$/s)
    expect(text).not.toMatch(/content-length|transfer-encoding/i)
    expect(ending).toBe('ended')
  })

  it('is reset when upstream breaks it off', async () => {
    const hop = await start()
    hop.upstream.answerWith((_request, its) => {
      its.write(unframed, () => void pause(50).then(() => its.destroy()))
      return undefined
    })
    const socket = await openRaw(hop.port)
    socket.write(get('/public/1', '1.0'))
    const { text, ending } = await readToTheEnd(socket)
    expect(text).toContain('first')
    expect(ending).toBe('ECONNRESET')
    expect(await hop.event()).toMatchObject({ delivery: { complete: false } })
  })

  it('is reset when the caller does not read it', async () => {
    const hop = await start({ more: 'timeouts: { body_idle: 200ms }' })
    const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`
    hop.upstream.answerWith((_request, its) => {
      its.write(unframed + piece.repeat(400))
      return undefined
    })
    const socket = connect({ port: hop.port, host: '127.0.0.1' })
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.pause()
    socket.write(get('/public/1', '1.0'))
    expect(await hop.event()).toMatchObject({ delivery: { complete: false } })
    expect((await readToTheEnd(socket)).ending).toBe('ECONNRESET')
  })
})

describe('a broken answer behind another one that is under way', () => {
  it('ends the connection as soon as its turn comes, and the answer before it is whole', async () => {
    const hop = await start()
    let release = (): void => {}
    hop.upstream.answerWith(({ target }, its) => {
      if (target === '/public/1') {
        return new Promise(resolve => {
          release = () => resolve(response(200, 'first'))
        })
      }
      if (target === '/public/3') return response(200, 'third')
      its.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
        () => void pause(50).then(() => its.destroy()),
      )
      return undefined
    })
    const socket = await openRaw(hop.port)
    socket.write(get('/public/1') + get('/public/2') + get('/public/3'))
    await until(() => hop.lines.length === 2, 'the second and the third request are over')
    release()
    const { text } = await readToTheEnd(socket)
    expect(text).toMatch(/^HTTP\/1\.1 200 Status\r\n.*\r\n\r\nfirst/s)
    expect(text).not.toContain('third')
    expect(text.match(/HTTP\/1\.1 200/g)?.length).toBeLessThanOrEqual(2)
  })
})

describe('a request that comes byte by byte', () => {
  it.each(['GET', 'PUT', 'POST', 'PROPFIND'])('is read as HTTP/1.1: %s', async method => {
    const hop = await start({ routes: `\n  - { path: '/public/**', public: true, methods: [${method}] }` })
    const bytes = `${method} /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok`
    const answer = await sendRaw(hop.port, [...bytes], { responses: 1 })
    expect(answer.responses[0]?.status).toBe(200)
    const received = await hop.upstream.request()
    expect([received.method, received.body.toString()]).toEqual([method, 'ok'])
  })
})

describe.skipIf(!canMakeCertificates)(`draining with TLS${withCertificates}`, () => {
  it('does not wait for a handshake that does not come to an end', async () => {
    const server = createAuthority().issue({ names: ['IP:127.0.0.1'] })
    const files = writeTlsFiles({ cert: server.cert, key: server.key })
    const hop = await start({
      listen: `{ address: '127.0.0.1:0', tls: { cert: '${files.cert}', key: '${files.key}' } }`,
      more: 'timeouts: { drain: 100ms, headers: 60s }',
    })
    const socket = await openRaw(hop.port)
    socket.write('\x16\x03\x01\x02')
    await new Promise(resolve => setTimeout(resolve, 50))
    await hop.sidecar.close()
    await readToTheEnd(socket)
  }, 15_000)
})
