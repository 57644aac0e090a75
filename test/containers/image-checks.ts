import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Checklist } from './checklist.ts'
import type { Engine } from './engine.ts'

const mebibyte = 1024 * 1024
const hardened = [
  '--read-only',
  '--cap-drop',
  'ALL',
  '--security-opt',
  'no-new-privileges',
  '--network',
  'none',
]

/** What the image promises by itself, before anything is composed from it. */
export async function checkImage(
  engine: Engine,
  checklist: Checklist,
  image: string,
  base: string,
  folder: string,
  onCleanup: (clean: () => Promise<unknown>) => void,
): Promise<void> {
  const { docker } = engine
  const inspect = async (name: string, format: string) =>
    (await docker(['inspect', '--format', format, name])).trim()
  const node = (script: string) =>
    docker(['run', '--rm', ...hardened, '--entrypoint', 'node', image, '-e', script])

  await checklist.check('adds less than 10 MB to its base', async () => {
    const added = Number(await inspect(image, '{{.Size}}')) - Number(await inspect(base, '{{.Size}}'))
    assert.ok(added > 0 && added < 10_000_000, `${(added / mebibyte).toFixed(1)} MiB`)
  })

  await checklist.check('runs as a numeric user who is not root', async () => {
    const config = await inspect(image, '{{.Config.User}}')
    assert.match(config, /^[1-9]\d*(:[1-9]\d*)?$/)
    assert.equal((await node('console.log(process.getuid() !== 0 && process.getgid() !== 0)')).trim(), 'true')
  })

  await checklist.check(
    'says its version on a read-only root, without capabilities and network',
    async () => {
      assert.match(await docker(['run', '--rm', ...hardened, image, 'version']), /^hopgate \d+\.\d+\.\d+ /)
    },
  )

  await checklist.check('holds nothing but what it runs, and no package manager', async () => {
    const script = `
      const fs = require('node:fs')
      console.log(JSON.stringify({
        files: fs.readdirSync('/app').sort(),
        managers: ['npm', 'npx', 'yarn', 'corepack'].filter(name => fs.existsSync('/usr/local/bin/' + name)),
      }))`
    const found = JSON.parse(await node(script)) as Record<string, string[]>
    assert.deepEqual(found, {
      files: ['.compile-cache', 'LICENSE', 'config', 'dist'],
      managers: [],
    })
  })

  await checklist.check('names the licences of what is inside', async () => {
    const licenses = await node("console.log(fs.readFileSync('/app/dist/THIRD-PARTY-LICENSES', 'utf8'))")
    for (const name of ['zod', 'yaml', 'ioredis', 'jose'])
      assert.match(licenses, new RegExp(`^${name} \\d`, 'm'))
  })

  // Node's flags are part of what compiled code must fit to.
  await checklist.check(
    'starts as its entrypoint says with code that was compiled when it was built',
    async () => {
      const [, ...entrypoint] = JSON.parse(await inspect(image, '{{json .Config.Entrypoint}}')) as string[]
      const args = JSON.stringify([...entrypoint, 'check', '/app/config/minimal.yaml'])
      const script = `
      const { spawnSync } = require('node:child_process')
      const env = { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }
      const { stderr } = spawnSync(process.execPath, ${args}, { env, encoding: 'utf8' })
      console.log(/sidecar\\.js was accepted/.test(stderr) || stderr)`
      assert.equal((await node(script)).trim(), 'true')
    },
  )

  await checklist.check('has its commands at hand by name', async () => {
    const options = ['--rm', ...hardened, '--entrypoint', 'hopgate']
    assert.match(await docker(['run', ...options, image, 'version']), /^hopgate \d/)
  })

  await checklist.check('cannot change itself, also when its root can be written', async () => {
    const script = `
      const fs = require('node:fs')
      for (const path of ['/app', '/app/dist/main.js', '/app/.compile-cache', '/usr/local/bin/node', '/etc']) {
        try { fs.accessSync(path, fs.constants.W_OK); console.log(path) } catch {}
      }`
    const options = ['--rm', '--network', 'none', '--entrypoint', 'node']
    assert.equal(await docker(['run', ...options, image, '-e', script]), '')
  })

  await checklist.check(
    'refuses to start with a configuration that is not good, and says where',
    async () => {
      const config = writeConfig(folder, 'bad', 'service: alone\nupstreem: http://127.0.0.1:3000\n')
      const refusal = await docker(['run', '--rm', ...hardened, ...mount(config), image]).then(
        () => assert.fail('it started'),
        (error: Error) => error.message,
      )
      assert.match(refusal, /hopgate\.yaml:2:1/)
      assert.match(refusal, /upstreem/)
    },
  )

  const config = writeConfig(
    folder,
    'good',
    'service: alone\nupstream: http://127.0.0.1:3000\nroutes:\n  - path: /**\n    public: true\n',
  )
  const started = await docker(['run', '--detach', ...hardened, ...mount(config), image])
  const container = started.trim()
  onCleanup(() => docker(['rm', '--force', '--volumes', container]))
  await checklist.check('turns healthy by its own health check', async () => {
    const deadline = Date.now() + 45_000
    let health = 'starting'
    while (health === 'starting' && Date.now() < deadline) {
      await sleep(500)
      health = await inspect(container, '{{.State.Health.Status}}')
    }
    assert.equal(health, 'healthy', await docker(['logs', container]))
  })

  // The script is loaded before main.js, and sends the signal when the first part of that has run.
  await checklist.check('ends when it is stopped while it starts', async () => {
    const early = "process.nextTick(() => process.kill(process.pid, 'SIGTERM'))\n"
    writeFileSync(join(config, 'early.cjs'), early, { mode: 0o644 })
    const options = ['--env', 'NODE_OPTIONS=--require=/etc/hopgate/early.cjs']
    const id = (await docker(['run', '--detach', ...hardened, ...mount(config), ...options, image])).trim()
    onCleanup(() => docker(['rm', '--force', '--volumes', id]))
    assert.match(await docker(['wait', id], { timeoutMs: 20_000 }), /^(0|143)$/m)
  })

  await checklist.check('ends with 0 within the grace time after SIGTERM', async () => {
    await docker(['stop', '--time', '30', container])
    assert.equal(await inspect(container, '{{.State.ExitCode}} {{.State.OOMKilled}}'), '0 false')
  })
}

function writeConfig(folder: string, name: string, text: string): string {
  const directory = join(folder, `config-${name}`)
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'hopgate.yaml')
  writeFileSync(file, text, { mode: 0o644 })
  return directory
}

function mount(directory: string): string[] {
  return ['--volume', `${directory}:/etc/hopgate:ro`]
}
