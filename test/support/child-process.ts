import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { projectRoot } from './source-files.ts'

/** The executable in a process of its own. */
export interface RunningCommand {
  readonly pid: number
  stdout(): string
  stderr(): string
  /** Resolves with the first line of standard error's log that says `message`, as an object. */
  logged(message: string, timeoutMs?: number): Promise<Readonly<Record<string, unknown>>>
  signal(name: NodeJS.Signals): void
  /** Closes the reading end of its standard error. */
  stopReading(): void
  /** Resolves with the exit code; a process that does not end in time is killed, and the promise rejected. */
  exit(timeoutMs?: number): Promise<number | null>
}

/** Runs `hopgate …` from the sources, as `node src/main.ts …`, or from another `main`. */
export function runHopgate(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  main: string = join(projectRoot, 'src/main.ts'),
): RunningCommand {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], {
    cwd: projectRoot,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', chunk => {
    stdout += chunk
  })
  child.stderr?.on('data', chunk => {
    stderr += chunk
  })
  const exited = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    async logged(message, timeoutMs = 10_000) {
      const deadline = Date.now() + timeoutMs
      while (Date.now() < deadline) {
        const line = stderr.split('\n').find(text => text.includes(`"message":"${message}"`))
        if (line !== undefined) return JSON.parse(line)
        if (child.exitCode !== null) break
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      throw new Error(`no '${message}' in:\n${stderr}`)
    },
    signal: name => child.kill(name),
    stopReading: () => child.stderr?.destroy(),
    async exit(timeoutMs = 10_000) {
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
      const [code, signal] = await exited
      clearTimeout(timer)
      if (signal === 'SIGKILL') throw new Error(`did not end within ${timeoutMs} ms:\n${stderr}`)
      return code
    },
  }
}
