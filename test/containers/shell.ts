import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface CommandResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Default two minutes. The command is killed then and counts as failed. */
  readonly timeoutMs?: number
}

/** Runs a program without a shell and answers how it ended; a program that is not there ends with 127. */
export function tryCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { timeoutMs = 120_000, ...rest } = options
  return new Promise(resolve => {
    execFile(
      program,
      [...args],
      { ...rest, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024, encoding: 'utf8' },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 127
        resolve({ status, stdout, stderr: error !== null && stderr === '' ? error.message : stderr })
      },
    )
  })
}

/**
 * Runs a program and answers its standard output.
 *
 * @throws Error with the end of what the program said when it fails
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await tryCommand(program, args, options)
  if (status === 0) return stdout
  const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-25).join('\n')
  throw new Error(`${program} ${args.slice(0, 4).join(' ')} … ended with ${status}:\n${said}`)
}

/** Where a program is: on the search path, or where only root has it there. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  for (const folder of folders) {
    const file = join(folder, name)
    if (folder === '' || file.includes('/node_modules/')) continue
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {}
  }
  return undefined
}
