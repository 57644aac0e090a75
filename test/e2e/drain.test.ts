import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canMakeCertificates, createAuthority } from '../support/certificate.ts'
import { type RunningCommand, runHopgate } from '../support/child-process.ts'
import {
  type CountedRequest,
  http1Caller,
  http2Caller,
  sendUntilUnanswered,
  startCountedService,
} from '../support/counted-requests.ts'
import { hopYaml } from '../support/start-hop.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { writeTlsFiles } from '../support/tls.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { type Closing, openWebSocket } from '../support/websocket-service.ts'

/** Restarts, and how many of them go on at the same time. */
const restarts = 20
const atOnce = 5
/** Answers before the signal, and callers that go on behind it: each with a connection, and on one of HTTP/2. */
const answersBefore = 80
const callers = { http1: 8, http2: 8 }

const routes = `
  - { path: '/orders/**', methods: [GET, POST], audience: orders-api, scope: orders:read, websocket: true }`

interface Restart {
  readonly sent: readonly CountedRequest[]
  /** `request_id` of each event of a hop. */
  readonly events: readonly string[]
  readonly websocket: { readonly id: string; readonly closing: Closing }
  readonly exitCode: number | null
}

let service: Awaited<ReturnType<typeof startCountedService>>
let issuer: TestIssuer
let token: string
const commands: RunningCommand[] = []

beforeAll(async () => {
  service = await startCountedService()
  issuer = await createTestIssuer({ issuer: 'https://login.test' })
  token = await issuer.sign({ scope: 'orders:read' })
})

afterAll(() => {
  for (const command of commands) command.signal('SIGKILL')
  service.close()
})

/** Starts the sidecar, loads it, tells it to stop in the middle, and waits until it is gone. */
async function restart(listen: string, ca: string | undefined): Promise<Restart> {
  const folder = createTempFolder()
  const [file, audit] = [join(folder, 'hopgate.yaml'), join(folder, 'audit.jsonl')]
  // This machine may be busy with other things than requests.
  const more = `audit: { file: ${audit} }\nlimits: { event_loop_delay: 1m }`
  writeFileSync(file, hopYaml(issuer, service.url, { routes, listen, more }))
  const running = runHopgate(['run', '--config', file])
  commands.push(running)
  const url = String((await running.logged('ready', 30_000))['url'])

  const id = randomUUID()
  const websocket = await openWebSocket(`${url}/orders/live`, token, {
    headers: { 'x-request-id': id },
    ...(ca !== undefined && { ca }),
  })
  const talk = (): void => {
    if (websocket.socket.readyState === 1) websocket.socket.send('x'.repeat(10_000))
  }
  websocket.socket.on('message', talk)
  talk()

  const sent: CountedRequest[] = []
  const options = { url, token, ca }
  const http2 = http2Caller(options)
  const sending = [
    ...Array.from({ length: callers.http1 }, () => sendUntilUnanswered(http1Caller(options), sent)),
    ...Array.from({ length: callers.http2 }, () => sendUntilUnanswered(http2, sent)),
  ]
  await until(() => sent.length >= answersBefore, `${answersBefore} answers`, 30_000)
  running.signal('SIGTERM')
  const exitCode = await running.exit(30_000)
  await Promise.all(sending)
  const lines = readFileSync(audit, 'utf8').trim().split('\n')
  const events = lines.map(line => JSON.parse(line)).filter(({ type }) => type.startsWith('io.hopgate.hop.'))
  return {
    sent,
    events: events.map(({ data }) => data.request_id),
    websocket: { id, closing: await websocket.closed },
    exitCode,
  }
}

function listenWithTls(): { readonly listen: string; readonly ca: string } {
  const authority = createAuthority()
  const { cert, key } = writeTlsFiles(authority.issue({ names: ['IP:127.0.0.1'] }))
  return { listen: `{ address: '127.0.0.1:0', tls: { cert: ${cert}, key: ${key} } }`, ca: authority.cert }
}

describe(`twenty restarts under load${canMakeCertificates ? '' : ' (without TLS: openssl is not on PATH)'}`, () => {
  it('lose no request, tell WebSockets why they end, and record each request once', async () => {
    const plain = { listen: '127.0.0.1:0', ca: undefined }
    const fronts = canMakeCertificates ? [plain, listenWithTls()] : [plain]
    const done: Restart[] = []
    const chain = async (): Promise<void> => {
      for (let count = 0; count < restarts / atOnce; count++) {
        const { listen, ca } = fronts[count % fronts.length] ?? plain
        done.push(await restart(listen, ca))
      }
    }
    await Promise.all(Array.from({ length: atOnce }, chain))

    const all = done.flatMap(({ sent }) => sent)
    const lost = all.map(({ fate }) => fate).filter(fate => fate.startsWith('lost'))
    expect(lost, `${lost.length} of ${all.length} requests lost in ${done.length} restarts`).toEqual([])
    expect(done).toHaveLength(restarts)
    for (const { sent, events, websocket, exitCode } of done) {
      const answered = sent.filter(({ fate }) => fate === 'answered').map(({ id }) => id)
      expect(answered.length).toBeGreaterThan(answersBefore)
      expect(events.toSorted()).toEqual([...answered, websocket.id].toSorted())
      expect(websocket.closing).toEqual({ code: 1001, reason: 'going away' })
      expect(exitCode).toBe(0)
    }
  }, 180_000)
})
