import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const script = join(import.meta.dirname, '../../scripts/prepare.mjs')

/** A clone with nothing installed, on a machine that has only what `tools` holds. */
let machine: string
let clone: string
let tools: string

const lock = (version: string) => ({
  packages: {
    '': { name: 'clone' },
    'node_modules/a': { version, integrity: `sha512-${version}` },
    'node_modules/b-other-system': { version: '1.0.0', optional: true },
  },
})

beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), 'hopgate-prepare-'))
  clone = join(machine, 'clone')
  tools = join(machine, 'tools')
  for (const folder of [join(clone, 'scripts'), tools]) mkdirSync(folder, { recursive: true })
  cpSync(script, join(clone, 'scripts/prepare.mjs'))
  writeFileSync(join(clone, 'package.json'), JSON.stringify({ engines: { node: '>=26.1.0' } }))
  writeFileSync(join(clone, 'package-lock.json'), JSON.stringify(lock('1.0.0')))
  // On machines where the test does not run as root, the package manager is called through sudo.
  installTool('sudo', 'shift; exec "$@"')
})

afterEach(() => rmSync(machine, { recursive: true, force: true }))

function installTool(name: string, body: string): void {
  const file = join(tools, name)
  writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> '${machine}/calls'\n${body}\n`)
  chmodSync(file, 0o755)
}

/** A shell line that makes an executable, without any tool from PATH. */
function makeExecutable(file: string, body: string): string {
  writeFileSync(join(machine, 'made'), `#!/bin/sh\n${body}\n`)
  chmodSync(join(machine, 'made'), 0o755)
  return `/bin/cp -p '${machine}/made' '${file}'`
}

function installNode(version: string): string {
  const bin = join(clone, 'node_modules/.bin')
  writeFileSync(join(machine, 'installed'), JSON.stringify(lock('1.0.0')))
  return [
    `/bin/mkdir -p '${bin}'`,
    `/bin/cp '${machine}/installed' '${clone}/node_modules/.package-lock.json'`,
    makeExecutable(join(bin, 'node'), `echo ${version}`),
  ].join('\n')
}

function install(version = 'v26.1.0'): void {
  spawnSync('/bin/sh', ['-c', installNode(version)])
}

function prepare(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const path = `${clone}/node_modules/.bin:${tools}`
  return spawnSync(process.execPath, [join(clone, 'scripts/prepare.mjs'), ...args], {
    env: { PATH: path, ...env },
    encoding: 'utf8',
  })
}

function calls(): string[] {
  const file = join(machine, 'calls')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}

describe('dependencies', () => {
  it('says nothing and calls nothing when all is there', () => {
    install()
    expect(prepare()).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(calls()).toEqual([])
  })

  it('installs from the lock file on a fresh clone and keeps standard output empty', () => {
    installTool('npm', `echo progress\n${installNode('v26.1.0')}`)
    const { status, stdout, stderr } = prepare()
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toContain('npm ci')
    expect(calls()).toEqual(['npm ci --loglevel=error --no-audit --no-fund'])
  })

  it('installs again when the lock file names other versions than node_modules holds', () => {
    install()
    writeFileSync(join(clone, 'package-lock.json'), JSON.stringify(lock('2.0.0')))
    installTool('npm', '')
    prepare()
    expect(calls()).toEqual(['npm ci --loglevel=error --no-audit --no-fund'])
  })

  it('does not run npm from the folder that it replaces', () => {
    install()
    rmSync(join(clone, 'node_modules/.package-lock.json'))
    const own = join(clone, 'node_modules/.bin/npm')
    writeFileSync(own, `#!/bin/sh\necho wrong >> '${machine}/calls'\n`)
    chmodSync(own, 0o755)
    installTool('npm', installNode('v26.1.0'))
    expect(prepare().status).toBe(0)
    expect(calls()).toEqual(['npm ci --loglevel=error --no-audit --no-fund'])
  })

  it('fetches Node where install scripts are switched off', () => {
    installTool('npm', `[ "$1" = rebuild ] || exit 0\n${installNode('v26.1.0')}`)
    expect(prepare().status).toBe(0)
    expect(calls()[1]).toBe('npm rebuild node --ignore-scripts=false --loglevel=error')
  })

  it.each(['npm error code ENOTFOUND', 'npm error network request failed'])(
    'tells what to do when the registry is unreachable: %s',
    text => {
      installTool('npm', `echo '${text}' >&2; exit 1`)
      const { status, stdout, stderr } = prepare()
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toContain('the npm registry cannot be reached')
      expect(stderr).toContain('npm config set registry')
    },
  )

  it('passes on why npm failed otherwise', () => {
    installTool('npm', "echo 'npm error no space left' >&2; exit 1")
    const { status, stderr } = prepare()
    expect(status).toBe(1)
    expect(stderr).toContain('no space left')
    expect(stderr).not.toContain('registry cannot be reached')
  })

  it('says so when there is no npm', () => {
    expect(prepare()).toMatchObject({ status: 1, stderr: expect.stringContaining('npm does not run') })
  })

  it.each(['v26.0.9', 'v20.20.2'])('refuses an installed Node that is too old: %s', version => {
    install(version)
    const { status, stderr } = prepare()
    expect(status).toBe(1)
    expect(stderr).toContain('the sources need 26.1.0 or newer')
  })

  it.each(['v26.1.0', 'v26.2.0', 'v27.0.0'])('accepts an installed Node that is new enough: %s', version => {
    install(version)
    expect(prepare().status).toBe(0)
  })
})

describe('Redis', () => {
  beforeEach(() => install())

  it.each(['redis-server', 'valkey-server'])('is content with a %s on PATH', name => {
    installTool(name, '')
    installTool('apt-get', '')
    expect(prepare(['--redis=required'])).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(calls()).toEqual([])
  })

  it('is content with REDIS_URL', () => {
    installTool('apt-get', '')
    expect(prepare(['--redis=required'], { REDIS_URL: 'redis://elsewhere' }).status).toBe(0)
    expect(calls()).toEqual([])
  })

  it('does not ask for one unless told to', () => {
    expect(prepare()).toMatchObject({ status: 0, stderr: '' })
  })

  it.each(['apt-get', 'dnf', 'apk'])('installs one with %s', manager => {
    installTool(manager, `case "$*" in *redis*) ${makeExecutable(join(tools, 'redis-server'), '')};; esac`)
    const { status, stdout, stderr } = prepare(['--redis=required'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toContain(`trying ${manager}`)
    expect(calls().filter(call => call.startsWith(manager)).length).toBeGreaterThan(0)
  })

  it('updates the package lists of apt before it installs', () => {
    installTool('apt-get', 'exit 1')
    prepare(['--redis=required'])
    const asked = calls().filter(call => call.startsWith('apt-get'))
    expect(asked[0]).toBe('apt-get update -q')
    expect(asked.at(-1)).toContain('valkey-server')
  })

  it('stops with the lines to type when one is required and cannot be had', () => {
    installTool('apt-get', 'exit 100')
    const { status, stdout, stderr } = prepare(['--redis=required'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain('sudo apt-get update && sudo apt-get install -y redis-server')
    expect(stderr).toContain('REDIS_URL')
  })

  it('goes on with the lines to type when one is optional', () => {
    const { status, stdout, stderr } = prepare(['--redis=optional'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toContain('going on without Redis')
    expect(stderr).toContain('brew install redis')
  })
})
