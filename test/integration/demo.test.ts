import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findRedisServer } from '../../src/assemble/demo/redis-server.ts'
import { startRedis } from '../support/redis.ts'

const main = join(import.meta.dirname, '../../src/main.ts')
const compileCache = join(tmpdir(), 'node-compile-cache')
const hasRedis = findRedisServer() !== undefined

/** Where the demo under test makes its files: it must be empty at the end. */
let temp: string
let children: ChildProcess[] = []

beforeEach(() => {
  temp = mkdtempSync(join(tmpdir(), 'hopgate-demo-test-'))
})

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children = []
  rmSync(temp, { recursive: true, force: true })
})

interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Promise<number | null>
  /** Resolves when standard output or error holds the text. */
  waitFor(text: string): Promise<void>
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const { REDIS_URL: _, ...inherited } = process.env
  const child = spawn(process.execPath, [main, 'demo', ...args], {
    // Node's compile cache is kept on purpose, and not in this folder.
    env: { ...inherited, TMPDIR: temp, NODE_COMPILE_CACHE: compileCache, NODE_OPTIONS: '', ...env },
  })
  children.push(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    async waitFor(text) {
      const deadline = Date.now() + 25_000
      while (!stdout.includes(text) && !stderr.includes(text)) {
        if (Date.now() > deadline || child.exitCode !== null)
          throw new Error(`no '${text}' in:\n${stdout}${stderr}`)
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    },
  }
}

/** Processes whose command line, environment or working folder names the folder of this test: children, if any are left. */
function processesLeft(): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc').filter(pid => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const told = ['cmdline', 'environ'].map(file => readFileSync(`/proc/${pid}/${file}`, 'latin1'))
      return [...told, readlinkSync(`/proc/${pid}/cwd`)].some(text => text.includes(temp))
    } catch {
      return false
    }
  })
}

function expectNothingLeft(): void {
  expect(readdirSync(temp)).toEqual([])
  expect(processesLeft()).toEqual([])
}

function isListening(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    }).on('error', () => resolve(false))
  })
}

interface Report {
  readonly hops: readonly Readonly<Record<string, unknown>>[]
  readonly refused: readonly { readonly case: string; readonly status: number }[]
}

function expectGoodReport(text: string): void {
  const lines = text.split('\n')
  expect(lines).toHaveLength(2)
  expect(lines[1]).toBe('')
  const { hops, refused, ...rest } = JSON.parse(text) as Report
  expect(rest).toEqual({})
  expect(hops.map(hop => [hop['service'], hop['aud'], hop['sub'], hop['scope'], hop['source']])).toEqual([
    ['storefront', 'storefront', 'alice', 'billing:read orders:read shop:read', 'issued'],
    ['orders', 'orders', 'alice', 'billing:read orders:read', 'issued'],
    ['billing', 'billing', 'alice', 'billing:read', 'issued'],
  ])
  expect(hops[2]?.['act']).toMatchObject({
    sub: 'billing',
    act: { sub: 'orders', act: { sub: 'storefront' } },
  })
  expect(new Set(hops.map(hop => hop['jti'])).size).toBe(3)
  for (const hop of hops) {
    expect(Object.keys(hop)).toEqual(['service', 'aud', 'sub', 'act', 'scope', 'expires_in', 'jti', 'source'])
  }
  expect(refused.map(({ status }) => status)).toEqual([401, 401, 401, 401, 403, 400, 404])
}

function expectNoToken(running: Running): void {
  expect(running.stdout() + running.stderr()).not.toMatch(/eyJ[\w-]+\.[\w-]+/)
}

describe('demo --once --json', () => {
  it.runIf(hasRedis)(
    'writes one document, exits 0 and leaves nothing, twice in a row, with Redis (needs redis-server on PATH)',
    async () => {
      for (let run = 0; run < 2; run++) {
        const running = start(['--once', '--json'])
        expect(await running.ended).toBe(0)
        expectGoodReport(running.stdout())
        expectNoToken(running)
        expect(running.stderr()).toContain('memory and Redis')
        expect(running.stderr().match(/ redis$/gm)).toHaveLength(3)
        expectNothingLeft()
      }
    },
  )

  it('does the same without Redis, and says so', async () => {
    const running = start(['--once', '--json'], { PATH: '/nonexistent' })
    expect(await running.ended).toBe(0)
    expectGoodReport(running.stdout())
    expect(running.stderr()).toContain('no redis-server on PATH: issued tokens are kept in memory only')
    expect(running.stderr()).not.toMatch(/ redis$/m)
    expectNothingLeft()
  })

  it.runIf(hasRedis)('uses the server of REDIS_URL (needs redis-server on PATH)', async () => {
    const redis = await startRedis({ faults: true })
    try {
      const running = start(['--once', '--json'], { REDIS_URL: redis.url, PATH: '/nonexistent' })
      expect(await running.ended).toBe(0)
      expectGoodReport(running.stdout())
      expect(running.stderr()).toContain('the server of REDIS_URL')
      const keys = (await redis.cli('KEYS', '*')).split('\n')
      expect(keys).toHaveLength(3)
      for (const key of keys) expect(key).toMatch(/^hopgate-demo-/)
    } finally {
      await redis.stop()
    }
  })

  it('goes on with memory when the server of REDIS_URL is not there', async () => {
    const running = start(['--once', '--json'], { REDIS_URL: 'redis://:hidden@127.0.0.1:1' })
    expect(await running.ended).toBe(0)
    expectGoodReport(running.stdout())
    expect(running.stderr()).toContain('REDIS_URL names a server that cannot be reached')
    expect(running.stderr()).not.toContain('hidden')
  })

  it('exits 1 and says what is not as it must be', async () => {
    const deaf = createServer(() => {})
    await new Promise<void>(resolve => deaf.listen(0, '127.0.0.1', resolve))
    const { port } = deaf.address() as AddressInfo
    const running = start(['--once', '--json'], { REDIS_URL: `redis://127.0.0.1:${port}` })
    expect(await running.ended).toBe(1)
    expect(running.stderr()).toContain("not as expected: orders: the source is 'issued', not 'redis'")
    expectGoodReport(running.stdout())
    expectNoToken(running)
    expectNothingLeft()
    deaf.close()
  })
})

describe('demo', () => {
  it('stays up for curl with tokens in files of its owner alone, until Ctrl-C', async () => {
    const running = start([])
    await running.waitFor('Ctrl-C ends everything.')
    const lines = running
      .stdout()
      .split('\n')
      .map(line => line.trim())
    const curls = lines.filter(line => line.startsWith('curl'))
    expect(curls.length).toBeGreaterThanOrEqual(5)
    expectNoToken(running)

    const [opens = ''] = curls
    const [, file = '', url = ''] = /-H @(\S+) (\S+)$/.exec(opens) ?? []
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const authorization = readFileSync(file, 'utf8')
      .replace(/^Authorization: /, '')
      .trim()
    const answer = await fetch(url, { headers: { authorization } })
    expect(answer.status).toBe(200)
    const body = await answer.text()
    expect(JSON.parse(body)).toMatchObject({
      service: 'storefront',
      next: { service: 'orders', next: { service: 'billing' } },
    })
    expect(body).not.toContain(authorization.slice('Bearer '.length))

    const port = Number(new URL(url).port)
    expect(await isListening(port)).toBe(true)
    running.child.kill('SIGINT')
    expect(await running.ended).toBe(0)
    expect(await isListening(port)).toBe(false)
    expectNothingLeft()
  })

  it.each([
    ['SIGINT', 0],
    ['SIGTERM', 150],
    ['SIGHUP', 400],
  ] as const)('cleans up when %s comes %i ms into the start', async (signal, delayMs) => {
    const running = start([])
    await running.waitFor('starting')
    await new Promise(resolve => setTimeout(resolve, delayMs))
    running.child.kill(signal)
    expect([0, 130]).toContain(await running.ended)
    expectNothingLeft()
  })

  it.runIf(hasRedis && process.platform === 'linux')(
    'leaves no process even when it is killed (needs redis-server on PATH)',
    async () => {
      const running = start([])
      await running.waitFor('a private server on port')
      expect(processesLeft().length).toBeGreaterThan(1)
      running.child.kill('SIGKILL')
      await running.ended
      await expect.poll(processesLeft, { timeout: 5_000 }).toEqual([])
      expect(readdirSync(temp).filter(name => name.startsWith('hopgate-redis'))).toEqual([])
    },
  )

  it('refuses options that it does not know', async () => {
    const running = start(['--twice'])
    expect(await running.ended).toBe(2)
    expect(running.stderr()).toBe('Usage: hopgate demo [--once] [--json]\n')
    expect(running.stdout()).toBe('')
  })
})
