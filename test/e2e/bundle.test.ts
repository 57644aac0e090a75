import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { writeBundle } from '../../scripts/bundle.ts'
import { type RunningCommand, runHopgate } from '../support/child-process.ts'
import { sendRaw } from '../support/raw-client.ts'
import { startRedis } from '../support/redis.ts'
import { projectRoot } from '../support/source-files.ts'
import { hopYaml } from '../support/start-hop.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { handshakeAnswer, handshakeFields } from '../support/websocket-bytes.ts'

let folder: string
let issuer: TestIssuer
let upstream: Upstream

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hopgate-bundle-'))
  await writeBundle(join(folder, 'dist'))
  issuer = await createTestIssuer({ issuer: 'https://login.test' })
  upstream = await startUpstream()
})

afterAll(async () => {
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCommand {
  const running = runHopgate(args, { NODE_COMPILE_CACHE: '', ...env }, join(folder, 'dist/main.js'))
  onTestFinished(() => running.signal('SIGKILL'))
  return running
}

/** What a process has loaded when it ends. */
interface Loaded {
  /** Files of the bundle, and the modules of Node. */
  readonly modules: readonly string[]
}

/** Starts a sidecar that says at its end what it loaded. */
async function start(options: Parameters<typeof hopYaml>[2]): Promise<{
  readonly port: number
  readonly admin: string
  stop(): Promise<Loaded>
}> {
  const own = createTempFolder()
  const [file, loaded, hook] = ['hopgate.yaml', 'loaded.json', 'hook.cjs'].map(name => join(own, name))
  if (file === undefined || loaded === undefined || hook === undefined) throw new Error('three names')
  writeFileSync(file, hopYaml(issuer, upstream.url, options))
  writeFileSync(
    hook,
    `process.once('exit', () => require('node:fs').writeFileSync(${JSON.stringify(loaded)}, JSON.stringify({
      files: Object.keys(require.cache),
      builtins: process.moduleLoadList,
    })))`,
  )
  const running = run(['run', '--config', file], { NODE_OPTIONS: `--require ${hook}` })
  const { url, admin } = await running.logged('ready')
  return {
    port: Number(new URL(String(url)).port),
    admin: String(admin),
    async stop() {
      running.signal('SIGTERM')
      expect(await running.exit()).toBe(0)
      const { files, builtins } = JSON.parse(readFileSync(loaded, 'utf8')) as Record<string, string[]>
      const ofNode = (builtins ?? []).flatMap(name => /^NativeModule (\w+)$/.exec(name)?.[1] ?? [])
      return {
        modules: [...(files ?? []).map(path => basename(path)), ...ofNode.map(name => `node:${name}`)],
      }
    },
  }
}

const late = ['cel-js.js', 'http-proxy-3.js', 'ioredis.js', 'prom-client.js']

describe('the bundle', () => {
  it('runs with no package beside it', async () => {
    const version = run(['version'])
    expect(await version.exit()).toBe(0)
    expect(version.stdout()).toMatch(/^hopgate \d+\.\d+\.\d+ /)
    expect(readdirSync(folder)).not.toContain('node_modules')
  })

  it('starts without what the configuration does not ask for', async () => {
    const sidecar = await start({})
    expect((await fetch(`${sidecar.admin}/readyz`)).status).toBe(200)
    const { modules } = await sidecar.stop()
    expect(modules).toEqual(expect.arrayContaining(['main.js', 'sidecar.js', 'node:http']))
    const notAsked = [...late, 'undici.js', 'node:https', 'node:tls', 'node:http2', 'node:zlib']
    expect(modules.filter(module => notAsked.includes(module))).toEqual([])
  })

  it('does with its libraries what the sources do', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const sidecar = await start({
      routes: `
  - path: /orders/**
    audience: orders-api
    scope: orders:read
    allow: request.headers["x-tenant"] == "a"
    websocket: true`,
      more: `cache: { redis: '${redis.url}', prefix: '${redis.prefix}' }`,
    })
    await until(async () => {
      const metrics = await (await fetch(`${sidecar.admin}/metrics`)).text()
      return metrics.includes('hopgate_redis_up 1')
    }, 'Redis is up')

    const token = await issuer.sign({ scope: 'orders:read' })
    const ask = async (tenant: string, fields = ''): Promise<number | undefined> => {
      const head = `GET /orders/1 HTTP/1.1\r\nHost: orders.test\r\nX-Tenant: ${tenant}\r\n${fields}`
      const answer = await sendRaw(sidecar.port, `${head}Authorization: Bearer ${token}\r\n\r\n`, {
        responses: 1,
      })
      return answer.responses[0]?.status
    }
    expect(await ask('b')).toBe(403)
    expect(await ask('a')).toBe(200)
    upstream.enqueue(handshakeAnswer)
    expect(await ask('a', `${handshakeFields.join('\r\n')}\r\n`)).toBe(101)
    await until(async () => (await redis.cli('KEYS', `${redis.prefix}*`)) !== '', 'a token in Redis')

    const { modules } = await sidecar.stop()
    expect(modules).toEqual(expect.arrayContaining(late))
  })

  it('keeps compiled code beside itself, and not where others may write', async () => {
    const shared = createTempFolder()
    const cache = join(folder, '.compile-cache')
    rmSync(cache, { recursive: true, force: true })
    expect(await run(['check', 'nothing.yaml'], { TMPDIR: shared }).exit()).toBe(1)
    expect(existsSync(cache)).toBe(true)
    expect(readdirSync(shared)).toEqual([])
  })

  it('runs where it may keep nothing', async () => {
    const cache = join(folder, '.compile-cache')
    rmSync(cache, { recursive: true, force: true })
    writeFileSync(cache, 'no folder')
    onTestFinished(() => rmSync(cache))
    const shared = createTempFolder()
    expect(await run(['version'], { TMPDIR: shared }).exit()).toBe(0)
    expect(readdirSync(shared)).toEqual([])
  })

  it('names the licence of every package that is inside', () => {
    const licenses = readFileSync(join(folder, 'dist/THIRD-PARTY-LICENSES'), 'utf8')
    const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
    const named = [...licenses.matchAll(/^=+\n(\S+) \d/gm)].map(match => match[1])
    expect(named).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)))
    // What comes with them is named too, and what only developers use is not.
    expect(named).toContain('@ioredis/commands')
    expect(named.filter(name => name !== undefined && name in manifest.devDependencies)).toEqual([])
  })
})
