import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { onTestFinished } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import type { TlsFiles } from '../../src/base/tls-files.ts'
import { createTlsMaterial, type TlsMaterial, type TlsMaterialOptions } from '../../src/base/tls-material.ts'
import { createTempFolder } from './temp-folder.ts'

/** The texts of the files of one side. */
export interface TlsTexts {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
}

/** Writes each text to a file of its own, in a folder that goes with the test. */
export function writeTlsFiles(texts: TlsTexts, folder = createTempFolder()): TlsFiles {
  return Object.fromEntries(
    Object.entries(texts).map(([part, text]: [string, string]) => {
      const file = join(folder, `${part}.pem`)
      writeFileSync(file, text)
      return [part, file]
    }),
  )
}

/** Material from files that are looked at often, until the test has ended. */
export function openMaterial(files: TlsFiles, options: Partial<TlsMaterialOptions> = {}): TlsMaterial {
  const times = { intervalMs: 20, settleMs: 10 }
  const material = createTlsMaterial(files, { name: 'test', log: silentLog, ...times, ...options })
  onTestFinished(() => material.close())
  return material
}

/** A TLS server that says hello and nothing else. */
export interface TestTlsServer {
  readonly port: number
  /** The connections whose handshake succeeded. */
  readonly connections: readonly TLSSocket[]
  setSecureContext(options: TlsOptions): void
}

/** Starts one on a free port of loopback, until the test has ended. */
export async function startTlsServer(options: TlsOptions): Promise<TestTlsServer> {
  const connections: TLSSocket[] = []
  const server = createServer(options, socket => {
    connections.push(socket)
    socket.on('error', () => {})
    socket.end('hello')
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of connections) socket.destroy()
  })
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    setSecureContext: next => server.setSecureContext(next),
  }
}

/** What came of a connection: what the server said, or the code of the error. */
export function handshake(port: number, options: ConnectionOptions): Promise<string> {
  return new Promise(resolve => {
    let heard = ''
    const socket = connect({ host: '127.0.0.1', port, ...options })
    socket.on('data', chunk => {
      heard += chunk
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve(heard))
  })
}

/** Makes a connection, and answers with the session that it could be resumed by. */
export function openSession(port: number, options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ...options })
    socket.once('session', resolve).once('error', reject)
    socket.resume()
  })
}
