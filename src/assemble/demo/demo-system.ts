import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../base/log.ts'
import type { Result } from '../../base/result.ts'
import { type ConfigProblem, formatProblems } from '../../config/config-problem.ts'
import type { Environment } from '../../config/environment.ts'
import { loadHubConfig, loadSidecarConfig } from '../../config/load.ts'
import type { SidecarConfig } from '../../config/sidecar-config.ts'
import { startHub } from '../hub.ts'
import { type Sidecar, startSidecar } from '../sidecar.ts'
import { createDemoFolder, type DemoFolder } from './demo-folder.ts'
import { type DemoRedis, openDemoRedis, watchRedis } from './demo-redis.ts'
import { type LegacyService, startLegacyService } from './legacy-service.ts'
import { type LoginProvider, startLoginProvider } from './login-provider.ts'
import { findFreePort } from './ports.ts'

/** The services in the order of the call: the storefront calls orders, orders calls billing. */
export const demoServices = ['storefront', 'orders', 'billing'] as const
export type DemoService = (typeof demoServices)[number]

/** Where each service's own paths begin. */
export const demoPaths: Readonly<Record<DemoService, string>> = {
  storefront: '/shop/basket',
  orders: '/orders/17',
  billing: '/billing/17',
}

/** Everything that the demo runs: a login provider, a hub, three services and the gate before each. */
export interface DemoSystem {
  readonly folder: DemoFolder
  readonly login: LoginProvider
  /** The Redis that the gates share; undefined when they have their memory only. */
  readonly redis: DemoRedis | undefined
  readonly hubUrl: string
  service(name: DemoService): LegacyService
  gate(name: DemoService): Sidecar
  /** Stops the gates and starts them again on the same ports, with nothing in their memory. */
  restartGates(): Promise<void>
  close(): Promise<void>
}

export interface DemoSystemOptions {
  /** Use the ports that the files in `config/demo` name where they are free; else any. */
  readonly friendlyPorts: boolean
  /** What Hopgate itself says. */
  readonly log: Log
  /** Lines for people. */
  readonly tell: (line: string) => void
  /** Ends the start: what was started is stopped, and the promise rejects with the signal's reason. */
  readonly signal: AbortSignal
}

/** The same files, seen from this file and from the bundle. */
const configFolders = ['../../../config/demo', '../config/demo'].map(path => join(import.meta.dirname, path))
const configFolder = configFolders.find(existsSync) ?? ''

/** Starts everything, or nothing. */
export async function startDemoSystem(options: DemoSystemOptions): Promise<DemoSystem> {
  const { log, signal, tell } = options
  await using started = new AsyncDisposableStack()
  const folder = started.adopt(createDemoFolder(), made => made.remove())
  for (const name of demoServices) folder.writeClientKeys(name)

  const redis = await openDemoRedis(tell)
  if (redis !== undefined) started.defer(() => redis.stop())
  signal.throwIfAborted()

  const port = (friendly: number) => findFreePort(options.friendlyPorts ? friendly : undefined)
  const login = await startLoginProvider({ port: await port(4000) })
  started.defer(() => login.close())
  signal.throwIfAborted()

  const env: Record<string, string> = {
    DEMO_FOLDER: folder.path,
    LOGIN_PORT: String(login.port),
    HUB_PORT: String(await port(4010)),
    HUB_ADMIN_PORT: String(await port(4210)),
    // Without Redis the caches are configured without it below; the files read the same.
    REDIS_URL: redis?.url ?? 'redis://127.0.0.1:6379',
    REDIS_PREFIX: redis?.prefix ?? 'hopgate-demo:',
  }
  const hub = await startHub(valid(loadHubConfig(join(configFolder, 'hub.yaml'), env)), { log })
  started.defer(() => hub.close())
  signal.throwIfAborted()

  const services = new Map<DemoService, LegacyService>()
  const gates = new Map<DemoService, { readonly config: SidecarConfig; sidecar: Sidecar }>()
  started.defer(() => closeAll([...gates.values()].map(({ sidecar }) => sidecar)))
  using watched = watchRedis()
  // From the last to the first, so that each service can be told where the next one's gate is.
  let next: string | undefined
  for (const [index, name] of [...demoServices.entries()].reverse()) {
    const service = await startLegacyService({
      service: name,
      port: await port(4101 + index),
      ...(next !== undefined && { next }),
    })
    started.defer(() => service.close())
    services.set(name, service)
    const prefix = name.toUpperCase()
    env[`${prefix}_SERVICE_PORT`] = String(service.port)
    env[`${prefix}_PORT`] = String(await port(4001 + index))
    env[`${prefix}_ADMIN_PORT`] = String(await port(4201 + index))
    const config = readGateConfig(name, env, redis !== undefined)
    const sidecar = await startSidecar(config, { log })
    gates.set(name, { config, sidecar })
    next = `${sidecar.url}${demoPaths[name]}`
    signal.throwIfAborted()
  }
  if (redis !== undefined) await watched.waitFor(gates.size)

  const running = started.move()
  return {
    folder,
    login,
    redis,
    hubUrl: hub.url,
    service: name => known(services, name),
    gate: name => known(gates, name).sidecar,
    async restartGates() {
      using watchedAgain = watchRedis()
      for (const gate of gates.values()) {
        await gate.sidecar.close()
        gate.sidecar = await startSidecar(gate.config, { log })
      }
      if (redis !== undefined) await watchedAgain.waitFor(gates.size)
    },
    close: () => running.disposeAsync(),
  }
}

function readGateConfig(name: DemoService, env: Environment, hasRedis: boolean): SidecarConfig {
  const config = valid(loadSidecarConfig(join(configFolder, `${name}.yaml`), env))
  return hasRedis ? config : { ...config, cache: { ...config.cache, redis: undefined } }
}

function valid<T>(loaded: Result<T, readonly ConfigProblem[]>): T {
  if (!loaded.ok) throw new Error(`the demo's configuration is not good:\n${formatProblems(loaded.error)}`)
  return loaded.value
}

function known<T>(map: ReadonlyMap<DemoService, T>, name: DemoService): T {
  const value = map.get(name)
  if (value === undefined) throw new Error(`${name} does not run`)
  return value
}

async function closeAll(sidecars: readonly Sidecar[]): Promise<void> {
  await Promise.all(sidecars.map(sidecar => sidecar.close()))
}
