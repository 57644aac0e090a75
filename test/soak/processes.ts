import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../support/source-files.ts'

/** A hub or sidecar in a process of its own, with everything that it writes in files. */
export interface RunningProcess {
  readonly name: string
  readonly adminUrl: string
  readonly auditFile: string
  readonly logFile: string
  /** A metric without labels, from the admin port. */
  metric(name: string): Promise<number>
  metricsText(): Promise<string>
  /** Asks it to end. @returns the exit code */
  stop(): Promise<number | null>
}

/** Starts `hopgate <command>` with a configuration, JSON being YAML, and waits until it is ready. */
export async function startProcess(
  folder: string,
  name: string,
  command: 'run' | 'hub',
  adminPort: number,
  sections: Readonly<Record<string, unknown>>,
): Promise<RunningProcess> {
  const [config, auditFile, logFile] = ['yaml', 'audit.jsonl', 'log'].map(end =>
    join(folder, `${name}.${end}`),
  ) as [string, string, string]
  const adminUrl = `http://127.0.0.1:${adminPort}`
  const all = { ...sections, admin: `127.0.0.1:${adminPort}`, audit: { file: auditFile } }
  writeFileSync(config, JSON.stringify(all))
  const log = openSync(logFile, 'a')
  const child = spawn(process.execPath, [join(projectRoot, 'src/main.ts'), command, '--config', config], {
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  process.once('exit', () => child.kill('SIGKILL'))
  await untilReady(child, adminUrl, logFile)
  const metricsText = async (): Promise<string> => (await fetch(`${adminUrl}/metrics`)).text()
  return {
    name,
    adminUrl,
    auditFile,
    logFile,
    metricsText,
    async metric(metric) {
      const line = (await metricsText()).split('\n').find(text => text.startsWith(`${metric} `))
      return Number(line?.slice(metric.length + 1))
    },
    async stop() {
      if (child.exitCode !== null) return child.exitCode
      child.kill('SIGTERM')
      const [code] = await once(child, 'exit')
      return code
    },
  }
}

async function untilReady(child: ChildProcess, adminUrl: string, logFile: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline && child.exitCode === null) {
    const isReady = await fetch(`${adminUrl}/readyz`).then(
      answer => answer.ok,
      () => false,
    )
    if (isReady) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error(`not ready:\n${readFileSync(logFile, 'utf8').slice(-2_000)}`)
}
