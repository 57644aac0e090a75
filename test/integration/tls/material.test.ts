import { once } from 'node:events'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Log, silentLog } from '../../../src/base/log.ts'
import { clientCertificateOptions } from '../../../src/base/tls-client-identity.ts'
import { connectOptions } from '../../../src/base/tls-connect.ts'
import { createTlsMaterial } from '../../../src/base/tls-material.ts'
import {
  canMakeCertificates,
  createAuthority,
  type TestCertificate,
  withCertificates,
} from '../../support/certificate.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { createTempFolder } from '../../support/temp-folder.ts'
import { handshake, openMaterial, openSession, startTlsServer, writeTlsFiles } from '../../support/tls.ts'
import { until } from '../../support/until.ts'

function keepLog(): Log & { readonly lines: string[] } {
  const lines: string[] = []
  const keep = (message: string, fields?: unknown): void =>
    void lines.push(JSON.stringify({ message, fields }))
  return { ...silentLog, info: keep, warn: keep, error: keep, lines }
}

/** Long enough for a change to have been told, if it were one. */
const pause = () => new Promise(resolve => setTimeout(resolve, 150))

const url = new URL('https://orders.test')

describe.skipIf(!canMakeCertificates)(`TLS material${withCertificates}`, () => {
  const authority = createAuthority()
  const names = ['DNS:orders.test']
  const first = authority.issue({ names, commonName: 'first' })
  const second = authority.issue({ names, commonName: 'second' })
  const ca = authority.cert

  /** A connection that stays open; answers whose certificate the server showed. */
  async function open(
    port: number,
    more: ConnectionOptions = {},
  ): Promise<{ socket: TLSSocket; shown: string }> {
    const socket = connect({ host: '127.0.0.1', port, ca, servername: 'orders.test', ...more })
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    await once(socket, 'secureConnect')
    return { socket, shown: String(socket.getPeerCertificate().subject.CN) }
  }

  async function listen(server: Server): Promise<number> {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    return (server.address() as AddressInfo).port
  }

  it('of nothing is what Node trusts by itself', async () => {
    const material = openMaterial({})
    expect(material.options()).toEqual({
      cert: undefined,
      key: undefined,
      ca: undefined,
      minVersion: 'TLSv1.2',
    })
    const { port } = await startTlsServer(first)
    const target = { url, serverName: undefined, spiffeIds: [] }
    expect(await handshake(port, connectOptions(material, target))).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  })

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['no certificate', 'hello'],
  ])('G02 cannot be made from an authority file that is %s', (_what, text) => {
    const folder = createTempFolder()
    const files = { ...writeTlsFiles(first, folder), ca: join(folder, 'ca.pem') }
    if (text !== undefined) writeFileSync(files.ca, text)
    const make = () => createTlsMaterial(files, { name: 'listen.tls', log: silentLog })
    expect(make).toThrow(/^listen\.tls: .*\/ca\.pem is a file that /)
    writeFileSync(files.ca, ca)
    make().close()
  })

  it.each([
    ['HTTPS', () => createHttps(first, (_, response) => void response.end('ok'))],
    [
      'HTTP/2',
      () => createSecureServer({ ...first, allowHTTP1: true }, (_, response) => void response.end('ok')),
    ],
  ] as const)('goes to new connections of a server of %s; open ones go on', async (_kind, create) => {
    const files = writeTlsFiles(first)
    const material = openMaterial(files)
    const server = create()
    material.onChange(changed => server.setSecureContext(changed.options()))
    const port = await listen(server)
    const old = await open(port)
    expect(old.shown).toBe('first')

    writeFileSync(files.cert ?? '', second.cert)
    writeFileSync(files.key ?? '', second.key)
    await until(async () => (await open(port)).shown === 'second', 'the new certificate')
    expect(old.socket.destroyed).toBe(false)
    old.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [answer] = await once(old.socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(old.shown).toBe('first')
  })

  it('follows the swap of a symbolic link, as Kubernetes does it, to the new pair at once', async () => {
    const folder = createTempFolder()
    for (const [version, pair] of Object.entries({ v1: first, v2: second })) {
      mkdirSync(join(folder, version))
      writeTlsFiles(pair, join(folder, version))
    }
    symlinkSync('v1', join(folder, '..data'))
    for (const name of ['cert.pem', 'key.pem']) symlinkSync(`..data/${name}`, join(folder, name))
    const log = keepLog()
    const material = openMaterial({ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }, { log })
    const told: unknown[] = []
    material.onChange(changed => told.push(changed.options().cert))
    symlinkSync('v2', join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    rmSync(join(folder, 'v1'), { recursive: true })
    await until(() => told.length > 0, 'a change')
    await pause()
    expect(told).toEqual([second.cert])
    expect(log.lines).toEqual([expect.stringContaining('TLS files read')])
  })

  it('waits for the key when the certificate comes first, and says so once', async () => {
    const log = keepLog()
    const files = writeTlsFiles(first)
    const material = openMaterial(files, { log })
    writeFileSync(files.cert ?? '', second.cert)
    await until(() => log.lines.length > 0, 'a complaint')
    await pause()
    expect(material.options().cert).toBe(first.cert)
    expect(log.lines).toEqual([expect.stringContaining('does not fit the first certificate of cert')])
    writeFileSync(files.key ?? '', second.key)
    await until(() => material.options().cert === second.cert, 'the new pair')
    expect(material.options().key).toBe(second.key)
    expect(log.lines).toHaveLength(2)
    expect(log.lines.join()).not.toContain('PRIVATE')
  })

  it.each<[string, (file: string) => void, string]>([
    ['missing', file => rmSync(file), 'does not exist'],
    ['empty', file => writeFileSync(file, ''), 'is empty'],
    ['cut', file => writeFileSync(file, ca.slice(0, 200)), 'holds a PEM block that is cut or broken'],
    ['no certificate', file => writeFileSync(file, 'hello'), 'holds no PEM certificate'],
    [
      'a folder',
      file => {
        rmSync(file)
        mkdirSync(file)
      },
      'is not a regular file',
    ],
  ])(
    'G02 stays the one before while the authority file is %s, and says so once',
    async (_what, spoil, reason) => {
      const log = keepLog()
      const files = writeTlsFiles({ ...first, ca })
      const material = openMaterial(files, { log, retryMs: 20 })
      const rules = { clientCertificate: 'required', spiffeIds: [] } as const
      const server = await startTlsServer({ ...material.options(), ...clientCertificateOptions(rules) })
      material.onChange(changed => server.setSecureContext(changed.options()))
      const context = material.context()
      spoil(files.ca ?? '')
      await until(() => log.lines.length > 0, 'a complaint')
      await pause()
      expect(log.lines).toEqual([expect.stringContaining(`ca.pem is a file that ${reason}`)])
      expect(material.context()).toBe(context)
      const target = { ca, servername: 'orders.test' }
      expect(await handshake(server.port, { ...target, ...second })).toBe('hello')
      expect(await handshake(server.port, target)).not.toBe('hello')
      const stranger = createAuthority('stranger').issue()
      expect(await handshake(server.port, { ...target, ...stranger })).not.toBe('hello')
    },
  )

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'with other authorities refuses the clients of those before, sessions of %s included',
    async maxVersion => {
      const next = createAuthority('next')
      const files = writeTlsFiles({ ...first, ca })
      const material = openMaterial(files)
      const rules = { clientCertificate: 'required', spiffeIds: [] } as const
      const server = await startTlsServer({
        ...material.options(),
        ...clientCertificateOptions(rules),
        maxVersion,
      })
      material.onChange(changed => server.setSecureContext({ ...changed.options(), maxVersion }))
      const target = { ca, servername: 'orders.test' }
      const resumed = { ...target, session: await openSession(server.port, { ...target, ...second }) }
      expect(await handshake(server.port, resumed)).toBe('hello')
      writeFileSync(files.ca ?? '', next.cert)
      await until(() => material.options().ca === next.cert, 'the other authority')
      expect(await handshake(server.port, resumed)).not.toBe('hello')
      expect(await handshake(server.port, { ...target, ...second })).not.toBe('hello')
      expect(await handshake(server.port, { ...target, ...next.issue() })).toBe('hello')
    },
  )

  it('goes to connections that are made later', async () => {
    const next = createAuthority('next')
    const files = writeTlsFiles({ ca })
    const material = openMaterial(files)
    const { port } = await startTlsServer(next.issue({ names }))
    const call = () =>
      handshake(port, connectOptions(material, { url, serverName: undefined, spiffeIds: [] }))
    expect(await call()).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
    writeFileSync(files.ca ?? '', next.cert)
    await until(async () => (await call()) === 'hello', 'a connection with the new authority')
  })

  it('keeps to the oldest version of TLS, before a change and after it', async () => {
    const files = writeTlsFiles(first)
    const material = openMaterial(files, { minVersion: 'TLSv1.3' })
    const server = await startTlsServer(material.options())
    material.onChange(changed => server.setSecureContext(changed.options()))
    const call = (maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
      handshake(server.port, { ca, servername: 'orders.test', maxVersion })
    const expectModern = async (): Promise<void> => {
      expect(await call('TLSv1.3')).toBe('hello')
      expect(await call('TLSv1.2')).toMatch(/^ERR_SSL_.*VERSION/)
    }
    await expectModern()
    writeTlsFiles(second, join(files.cert ?? '', '..'))
    await until(() => material.options().cert === second.cert, 'the new pair')
    await expectModern()
  })

  it('takes a certificate that is not valid yet once it is, and says when one has expired', async () => {
    const clock = createFakeClock(Date.parse('2029-12-31T00:00:00Z') / 1000)
    const log = keepLog()
    const bounds = (from: string, until: string) => ({ from: `${from}000000Z`, until: `${until}000000Z` })
    const old = authority.issue(bounds('20290101', '20300103'))
    const next: TestCertificate = authority.issue(bounds('20300102', '20300202'))
    const files = writeTlsFiles(old)
    const material = openMaterial(files, { clock, log, retryMs: 10 })
    expect(material.expiresAt()).toBe(Date.parse('2030-01-03T00:00:00Z') / 1000)
    writeTlsFiles(next, join(files.cert ?? '', '..'))
    await until(() => log.lines.join().includes('not valid before 2030-01-02'), 'a complaint')
    expect(material.options().cert).toBe(old.cert)
    clock.advanceMs(2 * 86_400_000)
    await until(() => material.options().cert === next.cert, 'the certificate that is valid now')
    clock.advanceMs(31 * 86_400_000)
    await until(() => log.lines.join().includes('the TLS certificate has expired'), 'that it expired')
    await pause()
    expect(log.lines.filter(line => line.includes('has expired'))).toHaveLength(1)
    expect(material.options().cert).toBe(next.cert)
  })

  it('tells nobody any more after it was closed, nor who has taken the listener away', async () => {
    const files = writeTlsFiles(first)
    const told: string[] = []
    const [closed, open] = [openMaterial(files), openMaterial(files)]
    closed.onChange(() => told.push('closed'))
    open.onChange(() => told.push('away'))()
    open.onChange(() => told.push('open'))
    closed.close()
    writeTlsFiles(second, join(files.cert ?? '', '..'))
    await until(() => told.length > 0, 'a change')
    await pause()
    expect(told).toEqual(['open'])
    expect(closed.options().cert).toBe(first.cert)
  })
})
