import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'

/** One contestant: how it is started, and where it then listens. */
export interface Peer {
  readonly name: string
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly port: number
}

export interface RunningPeer {
  readonly pid: number
  /** From the start of the process until it took a connection. */
  readonly readyMs: number
  stop(): Promise<void>
}

/** Starts a peer on one processor and waits until it takes connections. */
export async function startPeer(peer: Peer, cpu: number): Promise<RunningPeer> {
  const startedMs = performance.now()
  const child = spawn('taskset', ['-c', String(cpu), ...peer.command], {
    env: { ...process.env, ...peer.env, PORT: String(peer.port), NODE_ENV: 'production' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  child.stderr?.on('data', chunk => {
    errors = `${errors}${chunk}`.slice(-2_000)
  })
  await untilListening(peer.port, child, () => errors)
  if (child.pid === undefined) throw new Error(`${peer.name} did not start`)
  return {
    pid: child.pid,
    readyMs: performance.now() - startedMs,
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), 3_000)
      await once(child, 'exit')
      clearTimeout(killer)
    },
  }
}

async function untilListening(port: number, child: ChildProcess, errors: () => string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`exited before it listened:\n${errors()}`)
    if (await isListening(port)) return
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  throw new Error(`nothing listens on ${port}:\n${errors()}`)
}

function isListening(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
