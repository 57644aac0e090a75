import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import type { BaseImages } from './base-images.ts'
import { type Caller, createCaller } from './caller.ts'
import type { Engine } from './engine.ts'
import { runCommand } from './shell.ts'

/** deploy/compose while it runs, started as its README says. */
export interface ComposeProject {
  /** Somebody outside. */
  readonly caller: Caller
  /** Asks for one fact about the container of a service, in Docker's template language. */
  inspect(service: string, format: string): Promise<string>
  /** Runs a shell script inside the container of a service. */
  run(service: string, script: string): Promise<string>
  /** Fetches from inside the container of a service: by URL the status, or what kept it from getting one. */
  fetchFrom(service: string, urls: readonly string[], token?: string): Promise<Record<string, string>>
  waitUntilHealthy(services: readonly string[]): Promise<void>
  compose(...args: string[]): Promise<string>
}

export interface ComposeProjectOptions {
  readonly engine: Engine
  readonly image: string
  readonly base: BaseImages
  /** The root of the sources. */
  readonly root: string
  /** Where the copy of deploy/compose goes, with its secrets. */
  readonly folder: string
  readonly onCleanup: (clean: () => Promise<unknown>) => void
}

const healthLimitMs = 120_000
const fetchScript = `
  const [token, ...urls] = process.argv.slice(1)
  const headers = token === '' ? {} : { authorization: 'Bearer ' + token }
  const ask = url => fetch(url, { headers, signal: AbortSignal.timeout(3000) }).then(
    answer => [url, String(answer.status)],
    error => [url, error.cause?.code ?? error.name])
  Promise.all(urls.map(ask)).then(answers => {
    console.log(JSON.stringify(Object.fromEntries(answers)))
    process.exit()
  })`

/** Makes the secrets, starts everything on free ports, and waits until every gate is ready. */
export async function startComposeProject(options: ComposeProjectOptions): Promise<ComposeProject> {
  const { engine, root, folder, onCleanup } = options
  const cwd = join(folder, 'compose')
  const isCopied = (source: string) => !/\/(secrets|\.env)$/.test(source)
  cpSync(join(root, 'deploy/compose'), cwd, { recursive: true, filter: isCopied })
  await runCommand('sh', ['make-secrets.sh', '--try'], { cwd })

  const [shopPort, loginPort] = [await findFreePort(), await findFreePort()]
  const name = `hopgate-test-${process.pid}`
  const env = {
    COMPOSE_PROJECT_NAME: name,
    HOPGATE_IMAGE: options.image,
    NODE_IMAGE: options.base.node,
    REDIS_IMAGE: options.base.redis,
    STOREFRONT_ADDRESS: `127.0.0.1:${shopPort}`,
    LOGIN_ADDRESS: `127.0.0.1:${loginPort}`,
  }
  const compose = (...args: string[]) => engine.compose(args, { cwd, env, timeoutMs: 240_000 })
  onCleanup(() => compose('down', '--volumes', '--remove-orphans', '--timeout', '5'))
  await compose('up', '--detach', '--no-build')

  const ids = await findContainers(engine, name)
  const idOf = (service: string) => {
    const id = ids.get(service)
    if (id === undefined) throw new Error(`there is no container of ${service}`)
    return id
  }
  const inspect = async (service: string, format: string) =>
    (await engine.docker(['inspect', '--format', format, idOf(service)])).trim()
  const ca = readFileSync(join(cwd, 'secrets/login-ca.pem'), 'utf8')
  const caller = createCaller({ shopPort, loginPort, ca })
  onCleanup(() => caller.close())

  const project: ComposeProject = {
    caller,
    inspect,
    run: (service, script) => engine.docker(['exec', idOf(service), 'sh', '-c', script]),
    async fetchFrom(service, urls, token = '') {
      const args = ['exec', idOf(service), 'node', '-e', fetchScript, '--', token, ...urls]
      return JSON.parse(await engine.docker(args)) as Record<string, string>
    },
    async waitUntilHealthy(services) {
      const deadline = Date.now() + healthLimitMs
      for (const service of services) {
        while ((await inspect(service, '{{.State.Health.Status}}')) !== 'healthy') {
          if (Date.now() > deadline) throw new Error(`${service}:\n${await compose('logs', service)}`)
          await sleep(500)
        }
      }
    },
    compose,
  }
  await project.waitUntilHealthy([...ids.keys()].filter(service => service.endsWith('-gate')))
  return project
}

async function findContainers(engine: Engine, project: string): Promise<ReadonlyMap<string, string>> {
  const format = '{{.Label "com.docker.compose.service"}} {{.ID}}'
  const filter = `label=com.docker.compose.project=${project}`
  const lines = (await engine.docker(['ps', '--all', '--filter', filter, '--format', format]))
    .trim()
    .split('\n')
  return new Map(
    lines.map(line => {
      const [service = '', id = ''] = line.split(' ')
      return [service, id]
    }),
  )
}
