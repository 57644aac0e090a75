import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import type { Peer } from './peer-process.ts'

const here = import.meta.dirname
const root = join(here, '..', '..')

export interface Ports {
  readonly upstream: number
  /** The first of a row of ports that nobody else uses. */
  readonly first: number
}

/** The peers, and the one request that the load sends to each of them. */
export interface Field {
  readonly peers: readonly Peer[]
  readonly headers: Readonly<Record<string, string>>
}

/** Every peer of the comparison. The first is the floor that ratios are of. */
export async function contestants(folder: string, ports: Ports): Promise<Field> {
  const issuer = await createTestIssuer({ issuer: 'https://login.test', algorithm: 'RS256' })
  const expiresAt = Math.floor(Date.now() / 1000) + 3600
  const token = await issuer.sign({ scope: 'orders:read', exp: expiresAt })
  const env = { UPSTREAM: `http://127.0.0.1:${ports.upstream}` }
  const peer = (name: string, file: string, port: number): Peer => ({
    name,
    command: [process.execPath, join(here, 'peers', file)],
    env,
    port,
  })
  const peers = [
    peer('node:http → undici pass-through', 'undici-pass-through.ts', ports.first),
    peer('node:http answering itself', 'node-answers.ts', ports.first + 1),
    peer('http-proxy-3', 'http-proxy-3.ts', ports.first + 2),
    hopgate(folder, issuer, ports.upstream, ports.first + 3),
  ]
  return { peers, headers: { Authorization: `Bearer ${token}` } }
}

/** Ours, with everything on: policy, cache, audit to a file, metrics. One token, so that the exchange is a memory hit. */
function hopgate(folder: string, issuer: TestIssuer, upstream: number, port: number): Peer {
  const keys = join(folder, 'issuer.jwks.json')
  writeFileSync(keys, JSON.stringify(issuer.jwks))
  const config = join(folder, 'hopgate.yaml')
  writeFileSync(
    config,
    `service: orders
listen: 127.0.0.1:${port}
admin: 127.0.0.1:${port + 1000}
upstream: http://127.0.0.1:${upstream}
issuers:
  - issuer: https://login.test
    audience: [shop-web]
    keys: { file: ${keys} }
audit: { file: ${join(folder, 'audit.jsonl')} }
routes:
  - path: /orders/**
    methods: [GET]
    audience: orders-api
    scope: orders:read
    clients: [shop-web]
`,
  )
  return {
    name: 'hopgate, hot',
    command: [process.execPath, join(root, 'dist', 'main.js'), 'run', '--config', config],
    port,
  }
}
