// Starts the built sidecar once and stops it, so that Node keeps what it compiled for that in .compile-cache. For the
// image, where later starts cannot write there.
//
//   node scripts/fill-compile-cache.ts [UID]     the user that the image runs as; by default, who runs this

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const main = join(root, 'dist/main.js')
const cache = join(root, '.compile-cache')
const [uid] = process.argv.slice(2).map(Number)
const user = uid === undefined ? {} : { uid, gid: uid }
const deadlineMs = 30_000

/** With what most sidecars have: a server that is not there, a Redis that is not there, an expression. */
const config = `
service: build
listen: 127.0.0.1:0
admin: 127.0.0.1:0
upstream: http://127.0.0.1:9
issuers:
  - { issuer: 'https://login.test', audience: [build], keys: { jwks_uri: 'https://127.0.0.1:9/jwks' } }
exchange: { server: 'http://127.0.0.1:9', client: { secret: '\${SECRET}' } }
cache: { redis: 'redis://127.0.0.1:9' }
routes:
  - { path: /**, audience: build, scope: build, allow: 'subject.tenant == request.headers["x-tenant"]' }
`

const folder = mkdtempSync(join(tmpdir(), 'hopgate-build-'))
try {
  chmodSync(folder, 0o755)
  const file = join(folder, 'hopgate.yaml')
  writeFileSync(file, config)
  rmSync(cache, { recursive: true, force: true })
  mkdirSync(cache)
  if (uid !== undefined) chownSync(cache, uid, uid)
  await startAndStop(file)
  makeReadable(cache)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.stdout.write(`${cache}: ${readdirSync(cache, { recursive: true }).length} files and folders\n`)

async function startAndStop(file: string): Promise<void> {
  const child = spawn(process.execPath, [main, 'run', '--config', file], {
    ...user,
    env: { PATH: process.env['PATH'], SECRET: 'of-nobody-and-for-nothing' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  const killer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
  let said = ''
  let isTold = false
  child.stderr.setEncoding('utf8').on('data', text => {
    said += text
    // Both: the libraries for Redis are loaded after the start.
    if (isTold || !/"ready"/.test(said) || !/"Redis is down/.test(said)) return
    isTold = true
    child.kill('SIGTERM')
  })
  const [code] = await ended
  clearTimeout(killer)
  if (code !== 0) throw new Error(`the sidecar ended with ${code ?? 'a signal'}:\n${said}`)
}

/** Node writes files that only their owner reads; in the image they belong to nobody who runs. */
function makeReadable(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name)
    if (entry.isDirectory()) makeReadable(inside)
    else chmodSync(inside, 0o644)
  }
  chmodSync(path, 0o755)
}
