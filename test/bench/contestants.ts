import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTestIssuer } from '../support/tokens.ts'
import type { Peer } from './peer-process.ts'

const here = import.meta.dirname
const root = join(here, '..', '..')

export interface Ports {
  readonly upstream: number
  /** The first of a row of ports that nobody else uses. */
  readonly first: number
}

/** Every peer of the comparison. The first is the floor that ratios are of. */
export async function contestants(folder: string, ports: Ports): Promise<readonly Peer[]> {
  const env = { UPSTREAM: `http://127.0.0.1:${ports.upstream}` }
  const peer = (name: string, file: string, port: number): Peer => ({
    name,
    command: [process.execPath, join(here, 'peers', file)],
    env,
    port,
  })
  return [
    peer('node:http → undici pass-through', 'undici-pass-through.ts', ports.first),
    peer('node:http answering itself', 'node-answers.ts', ports.first + 1),
    peer('http-proxy-3', 'http-proxy-3.ts', ports.first + 2),
    await hopgate(folder, ports.upstream, ports.first + 3),
  ]
}

/** Ours, with everything on: policy, cache, audit to a file, metrics. One token, so that the exchange is a memory hit. */
async function hopgate(folder: string, upstream: number, port: number): Promise<Peer> {
  const issuer = await createTestIssuer({ issuer: 'https://login.test', algorithm: 'RS256' })
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
  const now = Math.floor(Date.now() / 1000)
  const token = await issuer.sign({ scope: 'orders:read', exp: now + 3600 })
  return {
    name: 'hopgate, hot',
    command: [process.execPath, join(root, 'dist', 'main.js'), 'run', '--config', config],
    port,
    headers: { Authorization: `Bearer ${token}` },
  }
}
