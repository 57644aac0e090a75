import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findFreePort } from '../../../src/assemble/demo/ports.ts'
import { encodeForm, formType } from '../../support/token-service.ts'
import { createTestIssuer, type TestIssuer } from '../../support/tokens.ts'

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))

let directory: string
let login: TestIssuer
const children: ChildProcess[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hopgate-cli-'))
  login = await createTestIssuer()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

async function writeConfig(port: number, more = ''): Promise<string> {
  const file = join(directory, 'hub.yaml')
  await writeFile(
    file,
    `listen: 127.0.0.1:${port}
admin: 127.0.0.1:0
audit: { file: ${JSON.stringify(join(directory, 'audit.jsonl'))} }
sts:
  issuer: http://127.0.0.1:${port}
  keys: ${JSON.stringify(join(directory, 'keys.json'))}
  issuers:
    - issuer: ${login.issuer}
      audience: [shop-web]
      keys: { inline: ${JSON.stringify(login.jwks)} }
  clients:
    - id: orders
      secret: \${ORDERS_SECRET}
      accepts: [shop-web]
      audiences: { orders-api: { scope: "orders:read" } }
${more}`,
  )
  return file
}

type LogLine = Readonly<Record<string, unknown>>

/** Starts the command; `said` resolves with the first log line of that message. */
function run(file: string) {
  const child = spawn(process.execPath, [main, 'hub', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ORDERS_SECRET: 'sesame' },
  })
  children.push(child)
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += String(chunk)
  })
  const lines = createInterface({ input: child.stderr })
  const said = (message: string): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      lines.on('line', line => {
        const parsed = line.startsWith('{') ? JSON.parse(line) : {}
        if (parsed['message'] === message) resolve(parsed)
      })
      child.once('exit', code => reject(new Error(`ended with ${code}: ${errors}`)))
    })
  return { child, said, exit: once(child, 'exit'), errors: () => errors }
}

async function exchange(url: string): Promise<number> {
  const body = encodeForm({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: await login.sign({ scope: 'orders:read' }),
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: 'orders-api',
    client_id: 'orders',
    client_secret: 'sesame',
  })
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { 'content-type': formType, connection: 'close' },
    body,
  })
  return response.status
}

describe('hopgate hub', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'says when it is ready, serves, and ends well on %s',
    async signal => {
      const port = await findFreePort()
      const { child, said, exit } = run(await writeConfig(port))
      const ready = await said('ready')
      expect(ready).toMatchObject({ url: `http://127.0.0.1:${port}`, issuer: `http://127.0.0.1:${port}` })
      expect((await fetch(`${ready['admin']}/readyz`)).status).toBe(200)
      expect(await exchange(String(ready['url']))).toBe(200)
      child.kill(signal)
      expect(await exit).toEqual([0, null])
      const audit = await readFile(join(directory, 'audit.jsonl'), 'utf8')
      expect(JSON.parse(audit)).toMatchObject({ type: 'io.hopgate.token.issued.v1', subject: 'orders' })
    },
  )

  it('opens the audit file again on SIGHUP, after it was rotated', async () => {
    const { child, said } = run(await writeConfig(await findFreePort()))
    const { url } = await said('ready')
    const file = join(directory, 'audit.jsonl')
    expect(await exchange(String(url))).toBe(200)
    await expect.poll(() => readFile(file, 'utf8')).toContain('issued')
    await rename(file, `${file}.1`)
    child.kill('SIGHUP')
    await expect.poll(() => readFile(file, 'utf8').catch(() => 'none'), { timeout: 5_000 }).toBe('')
    expect(await exchange(String(url))).toBe(200)
    await expect.poll(() => readFile(file, 'utf8')).toContain('issued')
  })

  it('takes up a policy that has changed, keeps the last good one, and says what needs a restart', async () => {
    const port = await findFreePort()
    const policy = (kind: string) => `clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read, orders:write], served_by: [orders] } }
rules: [{ id: own, who: { client: [orders] }, for: { kind: [${kind}] }, into: own }]
`
    const file = join(directory, 'policy.yaml')
    await writeFile(file, policy('user'))
    const config = await writeConfig(port, 'policy: policy.yaml\n')
    const { child, said } = run(config)
    const { url, admin, policy: digest } = await said('ready')
    expect(digest).toMatch(/^[0-9a-f]{12}$/)
    expect(await exchange(String(url))).toBe(200)

    await writeFile(file, policy('machine'))
    await expect.poll(() => exchange(String(url)), { timeout: 10_000 }).toBe(403)

    await writeFile(file, policy('usr'))
    const rejected = await said('configuration rejected, the last good one goes on')
    expect(JSON.stringify(rejected['problems'])).toContain('policy.yaml:3:')
    expect(await exchange(String(url))).toBe(403)
    expect((await fetch(`${admin}/readyz`)).status).toBe(503)

    await writeFile(file, policy('user'))
    await expect.poll(() => exchange(String(url)), { timeout: 10_000 }).toBe(200)
    expect((await fetch(`${admin}/readyz`)).status).toBe(200)

    await writeConfig(port + 1, 'policy: policy.yaml\n')
    child.kill('SIGHUP')
    await expect.poll(async () => (await fetch(`${admin}/readyz`)).status, { timeout: 10_000 }).toBe(503)
    expect(await exchange(String(url))).toBe(200)
  })

  it('ends well though nobody reads its log any more', async () => {
    const { child, said, exit } = run(await writeConfig(await findFreePort()))
    await said('ready')
    child.stderr.destroy()
    child.kill('SIGTERM')
    expect(await exit).toEqual([0, null])
  })

  it('does not start with a configuration that is wrong, and says where', async () => {
    const { exit, errors } = run(await writeConfig(await findFreePort(), 'colour: blue\n'))
    expect(await exit).toEqual([1, null])
    expect(errors()).toContain('colour')
  })

  it('does not start with signing keys that others can read, and shows nothing of them', async () => {
    const file = await writeConfig(await findFreePort())
    const first = run(file)
    await first.said('ready')
    first.child.kill('SIGTERM')
    await first.exit
    const keys = join(directory, 'keys.json')
    await chmod(keys, 0o644)
    const second = run(file)
    expect(await second.exit).toEqual([1, null])
    expect(second.errors()).toContain('others may read or write it')
    const { d } = JSON.parse(await readFile(keys, 'utf8')).keys[0]
    expect(second.errors()).not.toContain(d)
  })

  it('asks for its configuration', async () => {
    const child = spawn(process.execPath, [main, 'hub'], { stdio: 'ignore' })
    children.push(child)
    expect(await once(child, 'exit')).toEqual([2, null])
  })
})
