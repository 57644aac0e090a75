import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CommandOptions, findProgram, runCommand, tryCommand } from './shell.ts'

/** A Docker engine, and how to speak to it. */
export interface Engine {
  /** Whether this run started it. */
  readonly isOurs: boolean
  /** Runs `docker …` and answers its standard output. */
  docker(args: readonly string[], options?: CommandOptions): Promise<string>
  /** Runs `docker compose …`, or the older `docker-compose …` where that is what there is. */
  compose(args: readonly string[], options?: CommandOptions): Promise<string>
  /** Ends the engine if this run started it, and puts the machine's network back as it was. */
  stop(): Promise<void>
}

const forwardingSwitch = '/proc/sys/net/ipv4/ip_forward'

/**
 * Uses the engine that runs, else starts one of its own in `folder`, which needs root on Linux.
 *
 * @throws Error saying what is missing
 */
export async function findOrStartEngine(folder: string, say: (text: string) => void): Promise<Engine> {
  await installPrograms(say)
  const running = await tryCommand('docker', ['info', '--format', '{{.ServerVersion}}'], {
    timeoutMs: 20_000,
  })
  if (running.status === 0 && running.stdout.trim() !== '') {
    say(`using the Docker engine ${running.stdout.trim()} that runs here`)
    return await createEngine(process.env, false, async () => {})
  }
  return await startEngine(folder, say)
}

/** Asks the package manager once for what is missing, where that needs no person to answer. */
async function installPrograms(say: (text: string) => void): Promise<void> {
  const wanted: [program: string, debianPackage: string][] = [
    ['docker', 'docker.io'],
    ['dockerd', 'docker.io'],
    ['iptables', 'iptables'],
    ['debootstrap', 'debootstrap'],
    ['openssl', 'openssl'],
  ]
  const hasCompose = (await tryCommand('docker', ['compose', 'version'])).status === 0
  if (!hasCompose) wanted.push(['docker-compose', 'docker-compose'])
  const hasEngine =
    (await tryCommand('docker', ['info', '--format', '{{.ServerVersion}}'])).stdout.trim() !== ''
  const needed = hasEngine ? wanted.filter(([program]) => program === 'docker-compose') : wanted
  const packages = new Set(
    needed.filter(([program]) => findProgram(program) === undefined).map(entry => entry[1]),
  )
  if (packages.size === 0 || process.getuid?.() !== 0 || findProgram('apt-get') === undefined) return
  say(`installing ${[...packages].join(', ')} …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await tryCommand('apt-get', ['update', '-q'], { env })
  const options = ['-y', '-q', '-o', 'DPkg::Lock::Timeout=60', '--no-install-recommends']
  await tryCommand('apt-get', ['install', ...options, ...packages], { env, timeoutMs: 240_000 })
}

async function startEngine(folder: string, say: (text: string) => void): Promise<Engine> {
  const dockerd = findProgram('dockerd')
  if (dockerd === undefined || process.getuid?.() !== 0) {
    throw new Error('no Docker engine runs, and none can be started: that needs dockerd and root')
  }
  mkdirSync(folder, { recursive: true })
  const network = await rememberNetwork()
  const host = `unix://${join(folder, 'docker.sock')}`
  const logFile = join(folder, 'dockerd.log')
  const env = { ...process.env, DOCKER_HOST: host }
  for (const storage of [[], ['--storage-driver=vfs']]) {
    const log = openSync(logFile, 'a')
    const places = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')]
    const daemon = spawn(
      dockerd,
      [...places, '--pidfile', join(folder, 'dockerd.pid'), '-H', host, ...storage],
      {
        stdio: ['ignore', log, log],
        // Ctrl-C is for this script, which then ends what it started in order.
        detached: true,
      },
    )
    const ended = new Promise<void>(resolve => {
      daemon.once('exit', () => resolve())
      daemon.once('error', () => resolve())
    })
    const stop = async () => {
      daemon.kill('SIGTERM')
      await Promise.race([ended, sleep(30_000, undefined, { ref: false })])
      daemon.kill('SIGKILL')
      await network.restore()
      await unmountBelow(folder)
      rmSync(folder, { recursive: true, force: true })
    }
    const deadline = Date.now() + 40_000
    while (Date.now() < deadline && daemon.exitCode === null) {
      const { status, stdout } = await tryCommand('docker', ['info', '--format', '{{.ServerVersion}}'], {
        env,
      })
      if (status === 0 && stdout.trim() !== '') {
        say(`started a Docker engine ${stdout.trim()} of its own, process ${daemon.pid}`)
        return await createEngine(env, true, stop)
      }
      await sleep(300)
    }
    daemon.kill('SIGTERM')
    await Promise.race([ended, sleep(10_000, undefined, { ref: false })])
  }
  await network.restore()
  throw new Error(
    `dockerd does not start:\n${readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n')}`,
  )
}

/** An engine leaves a network namespace mounted when it ends. */
async function unmountBelow(folder: string): Promise<void> {
  const places = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' ')[1] ?? '')
  for (const place of places.filter(path => path.startsWith(`${folder}/`)).reverse()) {
    await tryCommand('umount', [place])
  }
}

async function createEngine(
  env: NodeJS.ProcessEnv,
  isOurs: boolean,
  stop: () => Promise<void>,
): Promise<Engine> {
  const docker: Engine['docker'] = (args, options = {}) =>
    runCommand('docker', args, { ...options, env: { ...env, ...options.env } })
  const hasPlugin = (await tryCommand('docker', ['compose', 'version'], { env })).status === 0
  const [program = '', ...first] = hasPlugin ? ['docker', 'compose'] : ['docker-compose']
  if (findProgram(program) === undefined) throw new Error('neither docker compose nor docker-compose is here')
  return {
    isOurs,
    docker,
    compose: (args, options = {}) =>
      runCommand(program, [...first, ...args], { ...options, env: { ...env, ...options.env } }),
    stop,
  }
}

/** An engine adds a bridge, firewall rules and forwarding, and leaves them behind when it ends. */
async function rememberNetwork(): Promise<{ restore(): Promise<void> }> {
  const hadBridge = existsSync('/sys/class/net/docker0')
  const forwarding = readFileSync(forwardingSwitch, 'utf8')
  const rules = await tryCommand('iptables-save', [])
  return {
    async restore() {
      if (hadBridge) return
      await tryCommand('ip', ['link', 'delete', 'docker0'])
      if (rules.status === 0) await restoreRules(rules.stdout)
      writeFileSync(forwardingSwitch, forwarding)
    },
  }
}

function restoreRules(rules: string): Promise<void> {
  return new Promise(resolve => {
    // Tables that did not exist before have nothing to go back to but empty ones.
    const tables = ['filter', 'nat'].filter(table => !rules.includes(`*${table}\n`))
    const emptied = tables.map(table => `*${table}\nCOMMIT\n`).join('')
    const child = spawn('iptables-restore', [], { stdio: ['pipe', 'ignore', 'ignore'] })
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
    child.stdin.on('error', () => {})
    child.stdin.end(rules + emptied)
  })
}
