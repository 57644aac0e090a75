import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort } from './ports.ts'

/** A Redis server of this process alone: loopback, free port, nothing kept on disk. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Ends the server by its process id and removes its folder. May be called twice. */
  stop(): Promise<void>
}

export interface RedisServerOptions {
  readonly binary: string
  /** Default: one that is free. */
  readonly port?: number
  /** Further command-line options, such as `['--maxmemory', '10mb']`. */
  readonly args?: readonly string[]
}

/** The first `redis-server` or `valkey-server` on the search path, if any. */
export function findRedisServer(path: string = process.env['PATH'] ?? ''): string | undefined {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const folder of path.split(delimiter)) {
      if (folder !== '' && isExecutable(join(folder, name))) return join(folder, name)
    }
  }
  return undefined
}

/**
 * Starts a server and resolves when it answers.
 *
 * @throws Error when it does not answer within ten seconds
 */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  const attempts = options.port === undefined ? 5 : 1
  for (let attempt = 1; ; attempt++) {
    const server = await tryToStart(options, options.port ?? (await findFreePort()))
    if (server !== undefined) return server
    if (attempt === attempts) throw new Error(`${options.binary} did not start`)
  }
}

async function tryToStart(options: RedisServerOptions, port: number): Promise<RedisServer | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'hopgate-redis-'))
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
  const child = spawn(
    options.binary,
    [...place, '--save', '', '--appendonly', 'no', '--daemonize', 'no', ...(options.args ?? [])],
    // A process group of its own: Ctrl-C reaches the owner only, which then ends what it started in order.
    { stdio: 'ignore', detached: true },
  )
  const ended = new Promise<void>(resolve => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const guard = child.pid === undefined ? undefined : startGuard(child.pid, folder)
  const removeAtExit = () => {
    kill(child, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', removeAtExit)
  const stop = async () => {
    guard?.kill('SIGKILL')
    kill(child, 'SIGCONT')
    kill(child, 'SIGTERM')
    const giveUp = setTimeout(() => kill(child, 'SIGKILL'), 2_000)
    await ended
    clearTimeout(giveUp)
    process.off('exit', removeAtExit)
    rmSync(folder, { recursive: true, force: true })
  }
  if (child.pid === undefined || !(await answers(child, child.pid, port))) {
    await stop()
    return undefined
  }
  return { url: `redis://127.0.0.1:${port}`, port, pid: child.pid, stop }
}

/**
 * Ends the server when its owner ends without a chance to, as by SIGKILL: the guard waits for the end of its standard
 * input, which the system closes with the owner.
 */
function startGuard(pid: number, folder: string): ChildProcess {
  const guard = spawn(
    '/bin/sh',
    ['-c', 'read -r _; kill -9 "$1"; /bin/rm -rf "$2"', 'guard', String(pid), folder],
    { stdio: ['pipe', 'ignore', 'ignore'], detached: true },
  )
  guard.on('error', () => {})
  guard.stdin?.on('error', () => {})
  guard.unref()
  return guard
}

/** Waits for our server: another one on the same port would name another process id. */
async function answers(child: ChildProcess, pid: number, port: number): Promise<boolean> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(15)) {
    if (!isRunning(child)) return false
    if ((await askProcessId(port)) === pid) return true
  }
  return false
}

function askProcessId(port: number): Promise<number | undefined> {
  return new Promise(resolve => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.end('INFO server\r\nQUIT\r\n'))
    socket.setTimeout(1_000, () => socket.destroy())
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      const pid = /^process_id:(\d+)/m.exec(answer)?.[1]
      resolve(pid === undefined ? undefined : Number(pid))
    })
  })
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (isRunning(child)) child.kill(signal)
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
