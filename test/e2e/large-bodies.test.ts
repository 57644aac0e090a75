import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningCommand, runHopgate } from '../support/child-process.ts'
import { openRaw } from '../support/raw-client.ts'
import { hopYaml } from '../support/start-hop.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { writeUntilStuck } from '../support/write-until-stuck.ts'

/** Bodies of 1 GiB and thousands of idle connections, and what they do to the memory of a real process. */

const gib = 1024 ** 3
const mib = 1024 ** 2
const bodyBytes = gib
const piece = Buffer.alloc(256 * 1024, 'x')

let folder: string
let issuer: TestIssuer
let upstream: Server
let running: RunningCommand
let port: number
let head: (startLine: string, ...fields: string[]) => string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hopgate-e2e-'))
  issuer = await createTestIssuer({ issuer: 'https://login.test' })
  upstream = createServer(serve).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const file = join(folder, 'hopgate.yaml')
  const audit = `audit: { file: ${join(folder, 'audit.jsonl')} }`
  writeFileSync(
    file,
    hopYaml(issuer, `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, { more: audit }),
  )
  running = runHopgate(['run', '--config', file])
  port = Number(new URL(String((await running.logged('ready'))['url'])).port)
  const token = await issuer.sign({ scope: 'orders:read' })
  head = (startLine, ...fields) =>
    [`${startLine} HTTP/1.1`, 'Host: a', `Authorization: Bearer ${token}`, ...fields, '', ''].join('\r\n')
  // What the first of everything takes is not what a body takes.
  for (let count = 0; count < 8; count++) expect(await send(16 * mib)).toMatch(/^HTTP\/1\.1 200 /)
})

afterAll(() => {
  running?.signal('SIGKILL')
  upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

/** One message a connection: a `GET` is answered with a long body, anything else when its body has arrived. */
function serve(socket: Socket): void {
  let arrived = 0
  let expected = -1
  socket.on('error', () => {})
  socket.on('data', chunk => {
    arrived += chunk.length
    if (expected === -1) {
      const end = chunk.indexOf('\r\n\r\n') + 4
      const text = chunk.toString('latin1', 0, end)
      expected = end + Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0)
      if (text.startsWith('GET')) {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\nConnection: close\r\n\r\n`)
        void writeUntilStuck(socket, piece, bodyBytes, 60_000)
      }
    }
    if (arrived === expected && socket.writableLength === 0 && expected > 10_000) {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    }
  })
}

const residentBytes = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${running.pid}/status`, 'utf8'))?.[1]) * 1024

/** By how much the process was larger than before, at most, while something was done. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = residentBytes()
  let most = before
  const watching = setInterval(() => {
    most = Math.max(most, residentBytes())
  }, 50)
  await work().finally(() => clearInterval(watching))
  return Math.max(most, residentBytes()) - before
}

/** Sends a body of so many bytes, and resolves with what comes back. */
async function send(bytes: number): Promise<string> {
  const socket = await openRaw(port)
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk
  })
  const closed = once(socket, 'close')
  socket.write(head('POST /orders/1', `Content-Length: ${bytes}`, 'Connection: close'))
  await writeUntilStuck(socket, piece.subarray(0, Math.min(piece.length, bytes)), bytes, 30_000)
  await closed
  return answer
}

describe('the memory of the process', () => {
  it('E17 grows by less than 32 KiB for each of 3,000 idle connections', async () => {
    const idle: Socket[] = []
    const grown = await growth(async () => {
      for (let count = 0; count < 30; count++) {
        idle.push(...(await Promise.all(Array.from({ length: 100 }, () => openRaw(port)))))
      }
      expect(await send(100_000)).toMatch(/^HTTP\/1\.1 200 /)
    })
    for (const socket of idle) socket.destroy()
    expect(grown / idle.length).toBeLessThan(32 * 1024)
  }, 60_000)

  it('E19 does not grow with a body of 1 GiB that goes up', async () => {
    const grown = await growth(async () => {
      expect(await send(bodyBytes)).toMatch(/^HTTP\/1\.1 200 /)
    })
    expect(grown).toBeLessThan(64 * mib)
  }, 60_000)

  it('E19 does not grow with a body of 1 GiB that comes down', async () => {
    let received = 0
    const grown = await growth(async () => {
      const socket = await openRaw(port)
      socket.on('data', chunk => {
        received += chunk.length
      })
      socket.write(head('GET /orders/1', 'Connection: close'))
      await once(socket, 'close')
    })
    expect(received).toBeGreaterThan(bodyBytes)
    expect(received).toBeLessThan(bodyBytes + 1_000)
    expect(grown).toBeLessThan(64 * mib)
  }, 60_000)
})
