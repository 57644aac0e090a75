import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { type Hub, startHub } from '../../src/assemble/hub.ts'
import { silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type { HubListenTls } from '../../src/config/hub-config.ts'
import type { StsConfig } from '../../src/config/sidecar-config.ts'
import { createTestStsConfig } from './token-service.ts'
import { createTestIssuer, type TestIssuer } from './tokens.ts'

/** A hub's audit line, as far as tests look at it. */
export interface HubEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** One of several hubs, which answers at `url` for the issuer that all of them share. */
export interface HubReplica {
  readonly hub: Hub
  readonly url: string
}

/** Hubs that are one token service: one issuer, one key file, and one Redis where there is one. */
export interface RunningHubs {
  /** The address of the first replica, below which the endpoints are. */
  readonly issuer: string
  readonly replicas: readonly HubReplica[]
  /** Its tokens are accepted. */
  readonly login: TestIssuer
  /** What they have recorded so far. What was just answered may not be in it yet. */
  events(): Promise<readonly HubEvent[]>
  /** Ends the hubs and answers what they recorded. */
  finish(): Promise<readonly HubEvent[]>
  /** Ends the hubs, if they run, and removes their files. */
  close(): Promise<void>
}

export interface HubOptions {
  readonly replicas?: number
  readonly redis?: string
  readonly sts?: Partial<StsConfig>
  readonly tls?: HubListenTls
}

/** Starts hubs on free ports of loopback, with the clients of {@link createTestStsConfig}. */
export async function startHubs(options: HubOptions = {}): Promise<RunningHubs> {
  const login = await createTestIssuer()
  const reports = await createTestIssuer({ issuer: 'reports', kid: 'reports-1' })
  const folder = await mkdtemp(join(tmpdir(), 'hopgate-hubs-'))
  const file = join(folder, 'audit.jsonl')
  const replicas: HubReplica[] = []
  let issuer: string | undefined
  for (let count = 0; count < (options.replicas ?? 1); count++) {
    const port = await findFreePort()
    const url = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
    issuer ??= `${url}/sts`
    const config = { issuer, keys: join(folder, 'keys.json'), ...options.sts }
    const hub = await startHub(
      {
        listen: { host: '127.0.0.1', port, tls: options.tls },
        admin: { host: '127.0.0.1', port: 0 },
        audit: { file, queue: 1_000, whenFull: 'refuse' },
        redis: options.redis === undefined ? undefined : new Secret(options.redis),
        sts: createTestStsConfig(login, reports, { config }),
      },
      { log: silentLog },
    )
    replicas.push({ hub, url })
  }
  const end = async (): Promise<void> => {
    await Promise.all(replicas.splice(0).map(({ hub }) => hub.close()))
  }
  const events = async (): Promise<readonly HubEvent[]> => {
    const lines = (await readFile(file, 'utf8')).split('\n').filter(line => line !== '')
    return lines.map(line => JSON.parse(line))
  }
  return {
    issuer: issuer ?? '',
    replicas,
    login,
    events,
    async finish() {
      await end()
      return events()
    },
    async close() {
      await end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
