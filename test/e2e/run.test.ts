import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RunningCommand, runHopgate } from '../support/child-process.ts'
import { expectNoToken } from '../support/no-token.ts'
import { startRedis } from '../support/redis.ts'
import { hopYaml } from '../support/start-hop.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let folder: string
let file: string
let issuer: TestIssuer
let upstream: Upstream
let running: RunningCommand | undefined

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hopgate-e2e-'))
  file = join(folder, 'hopgate.yaml')
  issuer = await createTestIssuer({ issuer: 'https://login.test' })
  upstream = await startUpstream()
})

afterEach(async () => {
  running?.signal('SIGKILL')
  running = undefined
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(yaml: string): Promise<{ url: string; admin: string }> {
  writeFileSync(file, yaml)
  running = runHopgate(['run', '--config', file], { TEST_SECRET: 'test-secret' })
  const { url, admin } = await running.logged('ready')
  return { url: String(url), admin: String(admin) }
}

const yaml = (more = '', routes?: string): string =>
  hopYaml(issuer, upstream.url, {
    more: `audit: { file: ${join(folder, 'audit.jsonl')} }\n${more}`,
    ...(routes && { routes }),
  })

async function ask(url: string, path = '/orders', token?: string): Promise<number> {
  const presented = token ?? (await issuer.sign({ scope: 'orders:read' }))
  const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${presented}` } })
  await answer.text()
  return answer.status
}

interface AuditLine {
  readonly specversion: string
  readonly type: string
  readonly data: { readonly outbound?: { readonly source: string } }
}

function readEvents(): AuditLine[] {
  const lines = readFileSync(join(folder, 'audit.jsonl'), 'utf8').trim().split('\n')
  return lines.map(line => JSON.parse(line))
}

async function isRedisUp(admin: string): Promise<boolean> {
  return /hopgate_redis_up 1/.test(await (await fetch(`${admin}/metrics`)).text())
}

async function until(condition: () => Promise<boolean> | boolean, timeoutMs = 8_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it never came to be')
    await new Promise(resolve => setTimeout(resolve, 30))
  }
}

describe('hopgate run', () => {
  it('refuses a bad configuration with the place of each mistake, and exits 1', async () => {
    writeFileSync(file, 'service: orders\nlisten: 127.0.0.1:0\nupstrem: http://127.0.0.1:1\n')
    running = runHopgate(['run', '--config', file])
    expect(await running.exit()).toBe(1)
    expect(running.stderr()).toContain(`${file}:3:1: upstrem: found an unknown key`)
    expect(running.stderr()).toContain('did you mean "upstream"?')
  })

  it('says how it is used, and exits 2', async () => {
    running = runHopgate(['run'])
    expect(await running.exit()).toBe(2)
    expect(running.stderr()).toContain('Usage: hopgate run --config FILE')
  })

  it('exits 1 when it cannot listen', async () => {
    const { url } = await start(yaml())
    const second = join(folder, 'second.yaml')
    writeFileSync(second, yaml().replace('listen: 127.0.0.1:0', `listen: ${new URL(url).host}`))
    const other = runHopgate(['run', '--config', second])
    expect(await other.exit()).toBe(1)
    expect(other.stderr()).toContain('EADDRINUSE')
  })

  it('applies a changed file to the next request, and keeps the last good one when the file is bad', async () => {
    const { url, admin } = await start(yaml())
    expect(await ask(url)).toBe(200)
    const renamed = join(folder, 'next.yaml')
    writeFileSync(
      renamed,
      yaml('', `\n  - { path: '/orders/**', audience: orders-api, scope: orders:admin }`),
    )
    renameSync(renamed, file)
    await until(async () => (await ask(url)) === 403)

    writeFileSync(file, 'service: [')
    await running?.logged('configuration rejected, the last good one goes on')
    expect(await ask(url)).toBe(403)
    expect(await (await fetch(`${admin}/readyz`)).text()).toContain('reload')

    writeFileSync(file, yaml())
    await until(async () => (await ask(url)) === 200)
    expect(await (await fetch(`${admin}/readyz`)).text()).not.toContain('rejected')
    expect(await (await fetch(`${admin}/metrics`)).text()).toMatch(
      /hopgate_config_reloads_total\{outcome="applied"\} 2/,
    )
  })

  it('keeps the last good configuration when the next one cannot be assembled', async () => {
    const { url, admin } = await start(yaml())
    const keys = join(folder, 'missing', 'keys.json')
    writeFileSync(file, yaml().replace('sts: { ', `sts: { keys: ${keys}, `))
    const line = await running?.logged('configuration rejected, the last good one goes on')
    expect(line?.['problems']).toEqual([expect.stringContaining(keys)])
    expect(await ask(url)).toBe(200)
    const metrics = await (await fetch(`${admin}/metrics`)).text()
    expect(metrics).toMatch(/hopgate_config_reloads_total\{outcome="rejected"\} 1/)
  })

  it('goes on when nobody reads its log any more', async () => {
    const { url } = await start(yaml())
    running?.stopReading()
    for (let count = 0; count < 3; count++) {
      running?.signal('SIGHUP')
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    expect(await ask(url)).toBe(200)
    running?.signal('SIGTERM')
    expect(await running?.exit()).toBe(0)
  })

  it('loses no request under way when it is told to stop, flushes its audit trail, and exits 0', async () => {
    const { url } = await start(yaml())
    await ask(url)
    upstream.answerWith(async () => {
      await new Promise(resolve => setTimeout(resolve, 500))
      return 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    })
    const underWay = Array.from({ length: 8 }, () => ask(url))
    await until(() => upstream.requests.length === 9)
    running?.signal('SIGTERM')
    expect(await Promise.all(underWay)).toEqual(Array.from({ length: 8 }, () => 200))
    expect(await running?.exit()).toBe(0)
    const events = readEvents()
    expect(events.filter(event => event.type === 'io.hopgate.hop.forwarded.v1')).toHaveLength(9)
    expect(events.every(event => event.specversion === '1.0')).toBe(true)
    expect(statSync(join(folder, 'audit.jsonl')).mode & 0o077).toBe(0)
  })

  it('goes on while Redis is stopped and started again', async () => {
    const redis = await startRedis({ faults: true })
    const { url, admin } = await start(yaml(`cache: { redis: '${redis.url}', timeout: 100ms }`))
    // Whoever asks earlier is answered without it, and nothing is kept there.
    await until(() => isRedisUp(admin))
    expect(await ask(url)).toBe(200)
    await until(async () => (await redis.cli('DBSIZE')) !== '0')
    const keys = await redis.cli('KEYS', '*')
    const value = await redis.cli('GET', keys.split('\n')[0] ?? '')
    expect(value).not.toContain('eyJ')

    await redis.stop()
    for (let count = 0; count < 5; count++) expect(await ask(url)).toBe(200)
    await until(async () => !(await isRedisUp(admin)))

    await redis.restart()
    await until(() => isRedisUp(admin))
    expect(await ask(url)).toBe(200)
    await until(async () => (await redis.cli('DBSIZE')) !== '0')
    await redis.stop()
  })

  it('shares what it has exchanged with another replica through Redis', async () => {
    const redis = await startRedis()
    const keys = join(folder, 'sts-keys.json')
    const shared = yaml(`cache: { redis: '${redis.url}', prefix: '${redis.prefix}' }`).replace(
      'sts: { ',
      `sts: { keys: ${keys}, `,
    )
    const { url, admin } = await start(shared)
    const token = await issuer.sign({ scope: 'orders:read' })
    await until(() => isRedisUp(admin))
    await ask(url, '/orders', token)
    const first = running
    const { url: other, admin: otherAdmin } = await start(shared)
    await until(() => isRedisUp(otherAdmin))
    await ask(other, '/orders', token)
    running?.signal('SIGTERM')
    first?.signal('SIGTERM')
    await Promise.all([running?.exit(), first?.exit()])
    const sources = readEvents()
      .filter(event => event.type.startsWith('io.hopgate.hop.'))
      .map(event => event.data.outbound?.source)
    expect(sources).toEqual(['issued', 'redis'])
    await redis.stop()
  })

  it('streams a body that is larger than what it may hold', async () => {
    const mirror = createServer((request, answer) => request.pipe(answer)).listen(0, '127.0.0.1')
    await once(mirror, 'listening')
    const { port } = mirror.address() as { port: number }
    const { url } = await start(hopYaml(issuer, `http://127.0.0.1:${port}`))
    const residentBytes = (): number =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${running?.pid}/status`, 'utf8'))?.[1]) * 1024
    await ask(url)
    const before = residentBytes()
    const block = Buffer.alloc(1024 * 1024, 'x')
    const authorization = `Bearer ${await issuer.sign({ scope: 'orders:read' })}`
    const outgoing = request(`${url}/orders`, { method: 'POST', headers: { authorization } })
    const answered = once(outgoing, 'response')
    const feeding = (async () => {
      for (let blocks = 256; blocks > 0; blocks--) if (!outgoing.write(block)) await once(outgoing, 'drain')
      outgoing.end()
    })()
    let received = 0
    for await (const chunk of (await answered)[0]) received += chunk.length
    await feeding
    expect(received).toBe(256 * block.length)
    expect(residentBytes() - before).toBeLessThan(128 * 1024 * 1024)
    mirror.close()
  })

  it('lets no token into any output', async () => {
    const { url, admin } = await start(yaml())
    const good = await issuer.sign({ scope: 'orders:read' })
    const presented = [
      good,
      await issuer.sign({ exp: 1 }),
      await issuer.sign({ aud: 'someone-else' }),
      await issuer.sign({ scope: '' }),
    ]
    const bodies: string[] = []
    for (const token of presented) {
      for (const path of [
        '/orders',
        `/orders/${token}`,
        `/elsewhere/${token}`,
        `/orders?access_token=${token}`,
      ]) {
        const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } })
        bodies.push(await answer.text(), JSON.stringify([...answer.headers]))
      }
    }
    bodies.push(await (await fetch(`${admin}/metrics`)).text())
    const issued = upstream.requests
      .flatMap(one => one.headerAll('authorization'))
      .map(value => value.slice(7))
    expect(issued.length).toBeGreaterThan(0)
    running?.signal('SIGTERM')
    await running?.exit()
    const output = [
      ...bodies,
      running?.stdout(),
      running?.stderr(),
      readFileSync(join(folder, 'audit.jsonl'), 'utf8'),
    ]
    expectNoToken(output.join('\n'), [...presented, ...issued])
  })

  it('does not start on an audit file that it cannot write', async () => {
    const locked = join(folder, 'missing', 'audit.jsonl')
    writeFileSync(file, hopYaml(issuer, upstream.url, { more: `audit: { file: ${locked} }` }))
    running = runHopgate(['run', '--config', file])
    expect(await running.exit()).toBe(1)
    expect(running.stderr()).toContain('ENOENT')
  })
})
