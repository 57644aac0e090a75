import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { createTestIssuer } from '../support/tokens.ts'
import { Unavailable } from './contestant.ts'
import type { ServerProcess } from './server-process.ts'
import type { Site } from './site.ts'

/** Sections of a configuration file. */
export type Sections = Readonly<Record<string, unknown>>

/** A sidecar or hub that can be started. */
export interface PreparedProcess {
  readonly process: ServerProcess
  readonly adminPort: number
}

/**
 * Writes the configuration of a sidecar with everything on: policy, cache, audit to a file, metrics.
 *
 * @param sections what is different about it; each replaces the section of its name
 */
export async function prepareSidecar(
  site: Site,
  started: AsyncDisposableStack,
  sections: Sections | ((listen: string) => Promise<Sections>) = {},
): Promise<PreparedProcess> {
  const [port, adminPort] = [await findFreePort(), await findFreePort()]
  const listen = `127.0.0.1:${port}`
  const folder = makeFolder(site, started)
  const file = writeConfig(folder, 'sidecar.yaml', {
    service: 'orders',
    listen,
    admin: `127.0.0.1:${adminPort}`,
    upstream: site.upstream.url,
    issuers: loginIssuers(site),
    audit: { file: auditFile(folder) },
    // A machine that is busy with other things would have load shed, and what then fails is not what is measured.
    limits: { event_loop_delay: '1m' },
    routes: [ordersRoute],
    ...(typeof sections === 'function' ? await sections(listen) : sections),
  })
  return { process: { name: 'sidecar', command: run(site, 'run', file), port }, adminPort }
}

/** Writes the configuration of a hub at which the sidecar is a client, and the sidecar's section `exchange` for it. */
export async function prepareHub(
  site: Site,
  started: AsyncDisposableStack,
  sections: Sections = {},
  authentication: 'key' | 'secret' = 'key',
): Promise<PreparedProcess & { readonly exchange: Sections }> {
  const [port, adminPort] = [await findFreePort(), await findFreePort()]
  const issuer = `http://127.0.0.1:${port}`
  const folder = makeFolder(site, started)
  const client = authentication === 'key' ? await keyOfClient(folder) : secretOfClient(folder)
  const file = writeConfig(folder, 'hub.yaml', {
    listen: `127.0.0.1:${port}`,
    admin: `127.0.0.1:${adminPort}`,
    audit: { file: auditFile(folder) },
    sts: {
      issuer,
      issuers: loginIssuers(site),
      clients: [
        {
          id: 'orders',
          ...client.known,
          accepts: ['shop-web'],
          audiences: { 'orders-api': { scope: 'orders:read' } },
        },
      ],
    },
    ...sections,
  })
  const process = { name: 'hub', command: run(site, 'hub', file), port }
  return { process, adminPort, exchange: { server: issuer, client: client.own } }
}

/** How a client authenticates: what its own configuration says of it, and what the hub knows. */
interface ClientSections {
  readonly own: Sections
  readonly known: Sections
}

async function keyOfClient(folder: string): Promise<ClientSections> {
  const { privateKey, kid, algorithm, jwks } = await createTestIssuer({ kid: 'orders-1' })
  const key = join(folder, 'orders.jwk')
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid, alg: algorithm }
  writeFileSync(key, JSON.stringify(jwk), { mode: 0o600 })
  return { own: { key }, known: { jwks: { inline: jwks } } }
}

function secretOfClient(folder: string): ClientSections {
  const file = join(folder, 'orders.secret')
  writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600 })
  return { own: { secret: { file } }, known: { secret: { file } } }
}

/** The route that every measurement asks for. */
export const ordersRoute = {
  path: '/orders/**',
  methods: ['GET', 'POST'],
  audience: 'orders-api',
  scope: 'orders:read',
  clients: ['shop-web'],
}

/** The issuers of the callers' tokens, for a sidecar or a hub. */
export function loginIssuers(site: Site): readonly Sections[] {
  return [site.login, site.quickLogin].map(({ issuer, jwks }) => ({
    issuer,
    audience: ['shop-web'],
    keys: { inline: jwks },
  }))
}

/** A folder for one contestant's files: audit trails grow, and go with it. */
export function makeFolder(site: Site, started: AsyncDisposableStack): string {
  return started.adopt(mkdtempSync(join(site.folder, 'contestant-')), path =>
    rmSync(path, { recursive: true, force: true }),
  )
}

/** Not beside the configuration, whose folder is watched for changes: where the trail is written all the time. */
function auditFile(folder: string): string {
  const logs = join(folder, 'logs')
  mkdirSync(logs)
  return join(logs, 'audit.jsonl')
}

/** Writes a configuration; JSON is YAML. */
export function writeConfig(folder: string, name: string, sections: Sections): string {
  const file = join(folder, name)
  writeFileSync(file, JSON.stringify(sections, undefined, 2))
  return file
}

/**
 * Refuses to go on with a configuration that this build does not know.
 *
 * @throws Unavailable with what `hopgate check` says
 */
export function requireKnown(site: Site, { command }: ServerProcess): void {
  const file = command.at(-1) ?? ''
  const { status, stderr } = spawnSync(process.execPath, [site.entry, 'check', file], { encoding: 'utf8' })
  if (status !== 0)
    throw new Unavailable(`not in this build: ${stderr.trim().split('\n')[0]?.replace(`${file}:`, '')}`)
}

function run(site: Site, command: 'run' | 'hub', file: string): readonly string[] {
  // As the image starts it.
  return [process.execPath, '--max-semi-space-size=8', site.entry, command, '--config', file]
}
