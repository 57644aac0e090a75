import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keys } from '../../src/cli/keys.ts'
import { parseSigningKeys } from '../../src/sts/signing-keys.ts'
import { type RunningCommand, runHopgate } from '../support/child-process.ts'
import { startLoad } from '../support/load.ts'
import { type ReadSample, readSamples } from '../support/metrics-text.ts'
import { expectNoToken } from '../support/no-token.ts'
import { hopYaml } from '../support/start-hop.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { response, startUpstream, type Upstream } from '../support/upstream.ts'

let folder: string
let file: string
let issuer: TestIssuer
let upstream: Upstream
let running: RunningCommand
let url: string
let admin: string

beforeEach(async () => {
  folder = createTempFolder()
  file = join(folder, 'hopgate.yaml')
  issuer = await createTestIssuer({ issuer: 'https://login.test' })
  upstream = await startUpstream()
})

afterEach(async () => {
  running.signal('SIGKILL')
  await Promise.all(workerPids().map(pid => until(() => isGone(pid), `worker ${pid} has ended`)))
  await upstream.close()
})

const auditFile = (): string => join(folder, 'audit.jsonl')

const yaml = (workers: number | string, more = '', routes?: string): string =>
  hopYaml(issuer, upstream.url, {
    more: `workers: ${workers}\n${more.includes('audit:') ? '' : `audit: { file: ${auditFile()} }\n`}${more}`,
    ...(routes && { routes }),
  })

async function start(text: string): Promise<void> {
  writeFileSync(file, text)
  running = runHopgate(['run', '--config', file])
  const ready = await running.logged('ready', 25_000)
  url = String(ready['url'])
  admin = String(ready['admin'])
}

type Line = Readonly<Record<string, unknown>>

function logged(message: string): readonly Line[] {
  const lines = running.stderr().split('\n')
  return lines.filter(line => line.includes(`"message":"${message}"`)).map(line => JSON.parse(line))
}

/** Of every worker that ever listened. */
function workerPids(): readonly number[] {
  return logged('worker listens').map(({ pid }) => Number(pid))
}

/** A process that has ended but that nobody has asked for yet is gone, too. */
function isGone(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

const authorization = async (): Promise<string> => `Bearer ${await issuer.sign({ scope: 'orders:read' })}`

/** Asks on a connection of its own, so that any worker may answer. */
async function ask(field: string, path = '/orders'): Promise<number> {
  const headers = { authorization: field, connection: 'close' }
  const answer = await fetch(`${url}${path}`, { headers })
  await answer.text()
  return answer.status
}

async function askTimes(count: number, field: string): Promise<readonly number[]> {
  const statuses = new Set<number>()
  for (let left = count; left > 0; left--) statuses.add(await ask(field))
  return [...statuses]
}

async function samples(): Promise<ReadSample> {
  return readSamples(await (await fetch(`${admin}/metrics`)).text())
}

/** All hops that ended, of whichever route and outcome. */
async function countHops(): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text()
  const counts = text.match(/^hopgate_hops_total\{.*$/gm) ?? []
  return counts.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

async function hopsOfWorkers(count: number): Promise<readonly number[]> {
  const read = await samples()
  const numbers = Array.from({ length: count }, (_, index) => `${index + 1}`)
  return numbers.map(worker => read('hopgate_worker_hops_total', { worker }) ?? 0)
}

async function readiness(): Promise<{ readonly status: number; readonly reasons: readonly string[] }> {
  const answer = await fetch(`${admin}/readyz`)
  const { reasons } = (await answer.json()) as { reasons: string[] }
  return { status: answer.status, reasons }
}

const hopEvents = (text: string): readonly string[] =>
  text.split('\n').filter(line => line.includes('"type":"io.hopgate.hop.'))

describe('several workers', () => {
  it('answer on one port, and count as one', async () => {
    await start(yaml(3))
    expect(new Set(workerPids()).size).toBe(3)
    expect(workerPids()).not.toContain(running.pid)
    const field = await authorization()
    let count = 0
    await until(
      async () => {
        expect(await Promise.all(Array.from({ length: 24 }, () => ask(field)))).toEqual(Array(24).fill(200))
        count += 24
        return (await hopsOfWorkers(3)).every(hops => hops > 0)
      },
      'every worker has answered',
      40_000,
    )
    expect((await hopsOfWorkers(3)).reduce((sum, hops) => sum + hops)).toBe(count)
    const read = await samples()
    expect(await countHops()).toBe(count)
    expect(read('hopgate_workers')).toBe(3)
    expect(read('hopgate_worker_exits_total')).toBe(0)
    const labels = { route: '/orders/**', outcome: 'forwarded' }
    expect(read('hopgate_hop_duration_seconds_count', labels)).toBe(count)
    expect(read('hopgate_hop_duration_seconds_bucket', { ...labels, le: '+Inf' })).toBe(count)
    expect(read('process_resident_memory_bytes')).toBeGreaterThan(4 * 30_000_000)
    await until(async () => (await readiness()).status === 200, 'it is ready')
    expect((await readiness()).reasons).toEqual([])
  }, 60_000)

  it('are as many as there are CPUs to use, and one needs no other process', async () => {
    await start(yaml('auto'))
    const count = availableParallelism()
    expect(workerPids()).toHaveLength(count === 1 ? 0 : count)
    expect((await samples())('hopgate_workers')).toBe(count)
    running.signal('SIGTERM')
    expect(await running.exit()).toBe(0)
    await start(yaml(1))
    expect(workerPids()).toEqual([])
    expect(await ask(await authorization())).toBe(200)
    const read = await samples()
    expect(read('hopgate_workers')).toBe(1)
    expect(read('hopgate_worker_hops_total', { worker: '1' })).toBe(1)
  })

  it('do not start where another process listens, and leave nothing behind', async () => {
    await start(yaml(2))
    const first = running
    const second = join(folder, 'second.yaml')
    writeFileSync(second, yaml(2).replace('listen: 127.0.0.1:0', `listen: ${new URL(url).host}`))
    const other = runHopgate(['run', '--config', second])
    expect(await other.exit(25_000)).toBe(1)
    expect(other.stderr()).toContain('EADDRINUSE')
    expect(other.stderr()).toContain('"message":"cannot start"')
    expect(await ask(await authorization())).toBe(200)
    first.signal('SIGTERM')
    expect(await first.exit()).toBe(0)
  })
})

describe('a worker that is killed under load', () => {
  it('is replaced; who is connected to another notices nothing, and no counter goes back', async () => {
    await start(yaml(3))
    const clients = 12
    const load = startLoad({
      url: `${url}/orders`,
      headers: { authorization: await authorization() },
      clients,
    })
    await until(() => load.answered > 200, 'the load has begun')
    const seen: number[] = [await countHops()]
    let isScraping = true
    const scraping = (async () => {
      while (isScraping) {
        seen.push(await countHops())
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    })()
    const hops = await hopsOfWorkers(3)
    const number = hops.indexOf(Math.min(...hops)) + 1
    const victim = Number(logged('worker listens').find(({ worker }) => worker === number)?.['pid'])
    process.kill(victim, 'SIGKILL')
    await until(() => logged('worker ended').length === 1, 'its end is noticed')
    const before = load.answered
    await until(() => load.answered > before + 100, 'the others go on')
    await until(() => workerPids().length === 4, 'it is replaced', 20_000)
    const { answers, failures } = await load.stop()
    isScraping = false
    await scraping
    seen.push(await countHops())

    expect([...answers.keys()]).toEqual([200])
    // What was under way on the killed one is lost with it: at most one request for each client.
    for (const ofClient of failures) expect(ofClient.length).toBeLessThanOrEqual(1)
    expect(failures.filter(ofClient => ofClient.length > 0).length).toBeLessThan(clients)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    const total = [...answers.values()].reduce((sum, count) => sum + count)
    expect(seen.at(-1)).toBeLessThanOrEqual(total + clients)
    expect(seen.at(-1)).toBeGreaterThan(total / 2)
    // The killed one had gathered lines for some milliseconds.
    const events = () => hopEvents(readFileSync(auditFile(), 'utf8')).length
    await until(() => events() >= total - 3 * clients, 'events are written')
    const read = await samples()
    expect(read('hopgate_worker_exits_total')).toBe(1)
    expect(read('hopgate_workers')).toBe(3)
    expect(isGone(victim)).toBe(true)
    expect((await readiness()).status).toBe(200)
  })

  it('is replaced again and again, but not at once when each ends at once', async () => {
    await start(yaml(2))
    await until(async () => (await readiness()).status === 200, 'it is ready')
    for (let times = 1; times <= 2; times++) {
      const pid = workerPids().at(-1) ?? 0
      process.kill(pid, 'SIGKILL')
      await until(() => workerPids().length === 2 + times, 'it is replaced', 20_000)
      expect((await readiness()).status).toBe(200)
    }
    const delays = logged('worker ended').map(({ restartInMs }) => Number(restartInMs))
    expect(delays).toHaveLength(2)
    expect(delays.every(delay => [0, 100, 200].includes(delay))).toBe(true)
    expect(await askTimes(10, await authorization())).toEqual([200])
  })

  it('starts with the configuration that runs, although the file has become another', async () => {
    await start(yaml(2))
    writeFileSync(file, 'service: [')
    await running.logged('configuration rejected, the last good one goes on')
    expect((await readiness()).reasons).toContain('configuration: the last reload was rejected')
    for (const [index, pid] of workerPids().entries()) {
      process.kill(pid, 'SIGKILL')
      await until(() => workerPids().length === 3 + index, 'it is replaced', 20_000)
    }
    expect(await askTimes(12, await authorization())).toEqual([200])
    expect((await samples())('hopgate_config_last_reload_successful')).toBe(0)
    expect((await samples())('hopgate_worker_exits_total')).toBe(2)
  })
})

describe('the end of several workers', () => {
  it('loses no request under load, writes every event, and exits 0', async () => {
    await start(yaml(3))
    const headers = { authorization: await authorization() }
    const loads = [true, false].map(keepsAlive =>
      startLoad({ url: `${url}/orders`, headers, clients: 6, keepsAlive }),
    )
    await until(() => loads.every(load => load.answered > 100), 'the load has begun')
    running.signal('SIGTERM')
    expect(await running.exit(25_000)).toBe(0)
    const results = await Promise.all(loads.map(load => load.stop()))
    const answers = results.flatMap(result => [...result.answers])
    expect(new Set(answers.map(([status]) => status))).toEqual(new Set([200]))
    const failures = new Set(results.flatMap(result => result.failures.flat()))
    // Connections that nobody had taken yet when the last worker stopped listening were never answered by anybody.
    expect([...failures].filter(code => code !== 'ECONNREFUSED' && code !== 'ECONNRESET')).toEqual([])
    const answered = answers.reduce((sum, [, count]) => sum + count, 0)
    expect(upstream.requests.length).toBe(answered)
    expect(hopEvents(readFileSync(auditFile(), 'utf8'))).toHaveLength(answered)
    expect(logged('stopped')).toHaveLength(1)
    for (const pid of workerPids()) expect(isGone(pid)).toBe(true)
  })

  it('waits for what is under way in each, also when a service manager signals every process', async () => {
    await start(yaml(2))
    const field = await authorization()
    await ask(field)
    const drained = Promise.withResolvers<void>()
    upstream.answerWith(async () => {
      await drained.promise
      return response(200, 'late')
    })
    const underWay = Array.from({ length: 8 }, () => ask(field))
    await until(() => upstream.requests.length === 9, 'all are under way')
    for (const pid of workerPids()) {
      process.kill(pid, 'SIGTERM')
      process.kill(pid, 'SIGINT')
      process.kill(pid, 'SIGHUP')
    }
    running.signal('SIGTERM')
    await until(async () => (await readiness()).reasons.includes('draining'), 'it says that it drains')
    expect((await readiness()).status).toBe(503)
    drained.resolve()
    expect(await Promise.all(underWay)).toEqual(Array(8).fill(200))
    expect(await running.exit()).toBe(0)
    expect(hopEvents(readFileSync(auditFile(), 'utf8'))).toHaveLength(9)
  })

  it('follows the end of the primary at once, however that comes', async () => {
    await start(yaml(3))
    upstream.answerWith({ action: 'hang' })
    const field = await authorization()
    const broken = Promise.allSettled(Array.from({ length: 3 }, () => ask(field)))
    await until(() => upstream.requests.length === 3, 'requests are under way')
    running.signal('SIGKILL')
    await Promise.all(workerPids().map(pid => until(() => isGone(pid), `worker ${pid} has ended`)))
    expect((await broken).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  })
})

describe('a reload of several workers', () => {
  const stricter = `\n  - { path: '/orders/**', audience: orders-api, scope: orders:admin }`

  it('reaches all of them, by a changed file and by a signal', async () => {
    await start(yaml(3))
    const field = await authorization()
    expect(await askTimes(12, field)).toEqual([200])
    writeFileSync(file, yaml(3, '', stricter))
    await running.logged('configuration applied')
    expect(await askTimes(12, field)).toEqual([403])
    writeFileSync(file, yaml(3))
    running.signal('SIGHUP')
    await until(() => logged('configuration applied').length >= 2, 'it is applied')
    expect(await askTimes(12, field)).toEqual([200])
    const read = await samples()
    expect(read('hopgate_config_reloads_total', { outcome: 'applied' })).toBe(
      logged('configuration applied').length,
    )
  })

  it('loses no request under load', async () => {
    await start(yaml(3))
    const load = startLoad({
      url: `${url}/orders`,
      headers: { authorization: await authorization() },
      clients: 8,
    })
    for (let times = 1; times <= 5; times++) {
      const before = load.answered
      await until(() => load.answered > before + 50, 'the load goes on')
      writeFileSync(file, yaml(3, `cache: { max_entries: ${1_000 + times} }`))
      running.signal('SIGHUP')
      await until(() => logged('configuration applied').length >= times, 'it is applied')
    }
    const { answers, failures } = await load.stop()
    expect([...answers.keys()]).toEqual([200])
    expect(failures.flat()).toEqual([])
  })

  it('is rejected by all of them or by none', async () => {
    await start(yaml(2))
    writeFileSync(file, yaml(4, '', stricter))
    const rejected = await running.logged('configuration rejected, the last good one goes on')
    expect(rejected['problems']).toEqual(['workers: changes with a restart only'])
    expect(await askTimes(8, await authorization())).toEqual([200])
    const missing = join(folder, 'missing', 'keys.json')
    writeFileSync(file, yaml(2, '', stricter).replace('sts: { ', `sts: { keys: ${missing}, `))
    await until(() => running.stderr().includes(missing), 'it is rejected')
    expect(await askTimes(8, await authorization())).toEqual([200])
    expect((await readiness()).reasons).toContain('configuration: the last reload was rejected')
  })
})

describe('the audit trail of several workers', () => {
  it('goes on in a new file for all of them when the file is rotated', async () => {
    await start(yaml(3))
    const field = await authorization()
    await askTimes(12, field)
    await until(() => hopEvents(readFileSync(auditFile(), 'utf8')).length === 12, 'events are written')
    renameSync(auditFile(), `${auditFile()}.1`)
    running.signal('SIGHUP')
    await running.logged('configuration applied')
    await askTimes(12, field)
    await until(
      () => hopEvents(readFileSync(auditFile(), 'utf8')).length === 12,
      'events are in the new file',
    )
    expect(hopEvents(readFileSync(`${auditFile()}.1`, 'utf8'))).toHaveLength(12)
  })

  it('has whole lines on standard output, longer than what a pipe takes at once', async () => {
    await start(yaml(3, 'audit: { queue: 10000 }'))
    const path = `/orders/${'a'.repeat(6_000)}`
    const load = startLoad({
      url: `${url}${path}`,
      headers: { authorization: await authorization() },
      clients: 12,
    })
    await until(() => load.answered > 300, 'there are many')
    const { answers, failures } = await load.stop()
    expect(failures.flat()).toEqual([])
    running.signal('SIGTERM')
    expect(await running.exit()).toBe(0)
    const lines = running.stdout().trimEnd().split('\n')
    for (const line of lines) expect(() => JSON.parse(line), line.slice(0, 100)).not.toThrow()
    expect(hopEvents(running.stdout())).toHaveLength(answers.get(200) ?? 0)
    const ids = lines.map(line => JSON.parse(line).id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('stops every worker when it cannot be kept and must be', async () => {
    await start(yaml(3, 'audit: { file: /dev/full, when_full: refuse }'))
    const field = await authorization()
    expect(await ask(field)).toBe(200)
    await until(async () => (await askTimes(10, field)).join() === '503', 'every worker refuses')
    expect((await samples())('hopgate_audit_accepting')).toBe(0)
  })
})

describe('the token service of several workers', () => {
  async function verifyIssued(): Promise<void> {
    const keySet = await (await fetch(`${admin}/jwks`)).json()
    const verify = createLocalJWKSet(keySet as Parameters<typeof createLocalJWKSet>[0])
    const issued = upstream.requests.flatMap(one => one.headerAll('authorization'))
    expect(issued.length).toBeGreaterThan(0)
    for (const field of issued) {
      const { payload } = await jwtVerify(field.slice('Bearer '.length), verify, { audience: 'orders-api' })
      expect(payload.iss).toBe('http://127.0.0.1:9')
    }
  }

  /** Each time another token, so that each is exchanged anew by whoever gets it. */
  async function askManyTokens(): Promise<void> {
    await Promise.all(
      Array.from({ length: 12 }, async () => expect(await ask(await authorization())).toBe(200)),
    )
  }

  it('signs with the keys that the admin port shows, without a key file', async () => {
    await start(yaml(3))
    await askManyTokens()
    await verifyIssued()
    process.kill(workerPids()[0] ?? 0, 'SIGKILL')
    await until(() => workerPids().length === 4, 'it is replaced', 20_000)
    await askManyTokens()
    await verifyIssued()
    const issued = upstream.requests.flatMap(one => one.headerAll('authorization'))
    const metrics = await (await fetch(`${admin}/metrics`)).text()
    const output = [running.stdout(), running.stderr(), metrics, readFileSync(auditFile(), 'utf8')].join('\n')
    expectNoToken(
      output,
      issued.map(field => field.slice('Bearer '.length)),
    )
    expect(output).not.toMatch(/"d":|privateKey|signingKeys/)
    expect(
      (await samples())('hopgate_token_service_answers_total', {
        endpoint: 'token',
        kind: 'issued',
        error: 'none',
      }),
    ).toBeGreaterThan(12)
  })

  it('forwards nothing that a compromised key signed, from no worker', async () => {
    const file = join(folder, 'keys.json')
    await start(yaml(3).replace('sts: { ', `sts: { keys: ${file}, `))
    const [key] = parseSigningKeys(readFileSync(file, 'utf8'))
    const kid = key.publicJwk.kid
    const fields = await Promise.all(Array.from({ length: 12 }, authorization))
    // Asked twice and more, so that every worker has many of the tokens in memory.
    for (let times = 0; times < 3; times++) await Promise.all(fields.map(field => ask(field)))
    const output = { write: () => true }
    const args = ['retire', '--file', file, '--compromised', kid]
    expect(await keys(args, { stdout: output, stderr: output })).toBe(0)
    await running.logged('signing keys changed')
    const signers = (): unknown[] =>
      upstream.requests
        .flatMap(one => one.headerAll('authorization'))
        .map(field => decodeProtectedHeader(field.slice('Bearer '.length)).kid)
    await until(async () => {
      upstream.clear()
      await Promise.all(fields.map(field => ask(field)))
      return !signers().includes(kid)
    }, 'every worker has the key that follows')
    upstream.clear()
    for (let times = 0; times < 5; times++) await Promise.all(fields.map(field => ask(field)))
    expect(signers()).toHaveLength(60)
    expect(signers()).not.toContain(kid)
    await verifyIssued()
    expect(readFileSync(auditFile(), 'utf8').match(/io\.hopgate\.keys\.changed\.v1/g)).toHaveLength(1)
  })

  it('signs with the keys of one file, and with those that it has become', async () => {
    const keys = join(folder, 'keys.json')
    const other = join(folder, 'other.json')
    const withKeys = (path: string) => yaml(3).replace('sts: { ', `sts: { keys: ${path}, `)
    await start(withKeys(other))
    running.signal('SIGTERM')
    expect(await running.exit()).toBe(0)
    await start(withKeys(keys))
    await askManyTokens()
    await verifyIssued()
    upstream.clear()
    renameSync(other, keys)
    await running.logged('signing keys changed')
    const [key] = parseSigningKeys(readFileSync(keys, 'utf8'))
    const signer = async (): Promise<unknown> => {
      await ask(await authorization())
      const [field = ''] = upstream.requests.at(-1)?.headerAll('authorization') ?? []
      return decodeProtectedHeader(field.slice('Bearer '.length)).kid
    }
    await until(async () => (await signer()) === key.publicJwk.kid, 'the workers have the key')
    upstream.clear()
    process.kill(workerPids()[0] ?? 0, 'SIGKILL')
    await until(() => workerPids().length === 4, 'it is replaced', 20_000)
    await askManyTokens()
    await verifyIssued()
    upstream.clear()
    writeFileSync(file, withKeys(other))
    await running.logged('configuration applied')
    await askManyTokens()
    await verifyIssued()
  })
})
