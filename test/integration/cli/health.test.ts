import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { health } from '../../../src/cli/health.ts'

let server: Server | undefined

afterEach(() => {
  server?.close()
  server?.closeAllConnections()
  server = undefined
})

async function answer(status: number): Promise<string> {
  const started = createServer((_request, response) => response.writeHead(status).end('{}'))
  server = started
  await new Promise<void>(resolve => started.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}/readyz`
}

async function ask(...args: string[]): Promise<{ code: number; said: string }> {
  let said = ''
  const collect = { write: (text: string) => (said += text) }
  return { code: await health(args, { stdout: collect, stderr: collect }), said }
}

describe('hopgate health', () => {
  it('exits 0 when the admin port answers 200', async () => {
    expect((await ask('--url', await answer(200))).code).toBe(0)
  })

  it('exits 1 when the admin port answers 503, and says so', async () => {
    const { code, said } = await ask('--url', await answer(503))
    expect(code).toBe(1)
    expect(said).toContain('503')
  })

  it('exits 1 on a redirect instead of following it', async () => {
    expect((await ask('--url', await answer(302))).code).toBe(1)
  })

  it('exits 1 when nobody listens', async () => {
    const url = await answer(200)
    server?.close()
    server?.closeAllConnections()
    const { code, said } = await ask('--url', url)
    expect(code).toBe(1)
    expect(said).toContain('ECONNREFUSED')
  })

  it('exits 1 when no answer comes within the time given', async () => {
    const silent = createServer(() => {})
    server = silent
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/livez`
    expect((await ask('--url', url, '--timeout-ms', '50')).code).toBe(1)
  })

  it.each([
    ['--url', 'file:///etc/passwd'],
    ['--url', 'http://me:secret@127.0.0.1/'],
    ['--url', 'https://127.0.0.1/livez'],
    ['--url', 'livez'],
    ['--timeout-ms', '0'],
    ['--timeout-ms', 'soon'],
    ['--port', '1'],
    ['extra'],
  ])('exits 2 and shows its usage for %s %s', async (...args) => {
    const { code, said } = await ask(...args.filter(argument => argument !== undefined))
    expect(code).toBe(2)
    expect(said).toContain('Usage: hopgate health')
    expect(said).not.toContain('secret')
  })
})
