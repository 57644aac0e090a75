// Makes a fresh clone ready: the locked dependencies, the Node that runs the sources, and a Redis server.
// Runs before `npm run demo`, `npm test` and `npm run bench` on any Node from 18, so: plain JavaScript, no dependencies.
// Standard output stays empty; it belongs to the command that follows.
//
//   node scripts/prepare.mjs [--redis=required|optional]

import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const localNode = join(root, 'node_modules', '.bin', 'node')

// npm puts node_modules/.bin first. What installs into that folder must not run from it.
const systemPath = (process.env.PATH ?? '')
  .split(delimiter)
  .filter(folder => folder !== '' && !`${folder}${sep}`.includes(`${sep}node_modules${sep}`))
const systemEnvironment = { ...process.env, PATH: systemPath.join(delimiter) }

prepareDependencies()
const redis = process.argv.find(argument => argument.startsWith('--redis='))?.slice('--redis='.length)
if (redis !== undefined) prepareRedis(redis === 'required')

function prepareDependencies() {
  if (!isInstalled()) {
    say('installing the locked dependencies (npm ci) …')
    runNpm(['ci', '--loglevel=error', '--no-audit', '--no-fund'])
  }
  if (localNodeVersion() === undefined) {
    say('fetching the Node that runs the sources (npm rebuild node) …')
    runNpm(['rebuild', 'node', '--ignore-scripts=false', '--loglevel=error'])
  }
  const version = localNodeVersion()
  const wanted = /(\d+)\.(\d+)\.(\d+)/.exec(readJson('package.json').engines.node)?.[0] ?? '0.0.0'
  if (version === undefined) {
    stop(
      `node_modules/.bin/node does not run on this ${process.platform} ${process.arch}.`,
      `Put Node ${wanted} or newer first on PATH and delete node_modules/.bin/node, or report the platform.`,
    )
  }
  if (isOlder(version, wanted)) {
    stop(
      `node_modules/.bin/node is ${version}; the sources need ${wanted} or newer.`,
      'Type: rm -r node_modules && npm ci',
    )
  }
}

/** Whether node_modules holds what package-lock.json names. By content: a checkout changes times without reason. */
function isInstalled() {
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) return false
  const locked = readJson('package-lock.json').packages
  const installed = readJson('node_modules/.package-lock.json').packages
  return Object.entries(locked).every(([path, entry]) => {
    if (path === '') return true
    const found = installed[path]
    if (found === undefined) return entry.optional === true || entry.devOptional === true
    return found.version === entry.version && found.integrity === entry.integrity
  })
}

function runNpm(args) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const { status, error, stderr } = spawnSync(npm, args, {
    cwd: root,
    env: systemEnvironment,
    stdio: ['ignore', 2, 'pipe'],
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  process.stderr.write(stderr ?? '')
  if (error !== undefined) stop(`npm does not run: ${error.message}`, 'Install Node 20 or newer with npm.')
  if (status === 0) return
  if (/ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|network/i.test(stderr)) {
    stop(
      'the npm registry cannot be reached.',
      'Behind a proxy:     npm config set proxy http://PROXY:PORT && npm config set https-proxy http://PROXY:PORT',
      'With a mirror:      npm config set registry https://MIRROR/',
      'Then the same command again.',
    )
  }
  stop(
    `npm ${args[0]} failed (status ${status}).`,
    'What it says above is the reason; then the same command again.',
  )
}

function localNodeVersion() {
  const { status, stdout } = spawnSync(localNode, ['--version'], { encoding: 'utf8', timeout: 20_000 })
  return status === 0 ? stdout.trim().replace(/^v/, '') : undefined
}

function prepareRedis(isRequired) {
  if (process.env.REDIS_URL || findOnPath('redis-server') || findOnPath('valkey-server')) return
  for (const manager of packageManagers()) {
    say(`no Redis server on PATH; trying ${manager.name} …`)
    for (const [command, ...args] of manager.commands) {
      const { status } = spawnSync(command, args, {
        env: { ...systemEnvironment, DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1' },
        stdio: 'ignore',
        timeout: 240_000,
      })
      const isThere = findOnPath('redis-server') || findOnPath('valkey-server')
      if (status === 0 && isThere) return
    }
  }
  const lines = [
    'Debian, Ubuntu:  sudo apt-get update && sudo apt-get install -y redis-server',
    'Fedora, RHEL:    sudo dnf install -y valkey   (or: redis)',
    'Alpine:          sudo apk add redis',
    'macOS:           brew install redis',
    'A server elsewhere:  export REDIS_URL=redis://HOST:6379',
  ]
  if (isRequired) stop('a Redis server is needed and could not be installed. Type one of:', ...lines)
  say('going on without Redis: issued tokens are kept in memory only. To have it, type one of:', ...lines)
}

/** The package managers of this machine that can be asked without a person to answer. */
function packageManagers() {
  const asRoot = process.getuid?.() === 0 ? [] : findOnPath('sudo') ? ['sudo', '-n'] : undefined
  const managers = []
  const add = (name, prefix, ...commands) => {
    if (prefix === undefined || !findOnPath(name)) return
    managers.push({ name, commands: commands.map(args => [...prefix, name, ...args]) })
  }
  const aptInstall = ['install', '-y', '-q', '-o', 'DPkg::Lock::Timeout=30', '--no-install-recommends']
  add('apt-get', asRoot, ['update', '-q'], [...aptInstall, 'redis-server'], [...aptInstall, 'valkey-server'])
  add('dnf', asRoot, ['install', '-y', '-q', 'valkey'], ['install', '-y', '-q', 'redis'])
  add('apk', asRoot, ['add', '--quiet', '--update-cache', 'redis'], ['add', '--quiet', 'valkey'])
  add('brew', [], ['install', '--quiet', 'redis'])
  return managers
}

function findOnPath(name) {
  return systemPath.some(folder => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function isOlder(version, wanted) {
  const [actual, least] = [version, wanted].map(text =>
    text.split('.').map(part => Number.parseInt(part, 10)),
  )
  const at = least.findIndex((part, index) => part !== actual[index])
  return at !== -1 && actual[at] < least[at]
}

function readJson(file) {
  return JSON.parse(readFileSync(join(root, file), 'utf8'))
}

function say(...lines) {
  process.stderr.write(`hopgate: ${lines.join('\n  ')}\n`)
}

function stop(...lines) {
  say(...lines)
  process.exit(1)
}
