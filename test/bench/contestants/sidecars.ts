import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../../src/assemble/demo/ports.ts'
import type { Contestant } from '../contestant.ts'
import { loginIssuers, ordersRoute } from '../hopgate-config.ts'
import { anonymousRequest, grpcCall, largeBody, mediumBody, secureRequest } from '../request-kinds.ts'
import { startProcess } from '../server-process.ts'
import { certificateFiles } from '../tls-files.ts'
import { sidecarRow } from './sidecar-row.ts'

/** Ours, with everything on and the issued token in memory. */
export const sidecars: readonly Contestant[] = [
  sidecarRow({
    name: 'hot',
    title: 'hopgate, hot: issued token in memory',
    source: 'memory',
    targets: [
      { of: 'floor', atMost: 1.2 },
      { of: 'http-proxy-3', atMost: 0.45 },
      { of: 'caddy', atMost: 0.6 },
      { of: 'nginx', atMost: 2.8 },
    ],
  }),
  sidecarRow({
    name: 'audit-to-null',
    title: 'hopgate, hot, audit to /dev/null',
    source: 'memory',
    targets: [{ of: 'hot' }],
    sections: () => ({ audit: { file: '/dev/null' } }),
  }),
  sidecarRow({
    name: 'introspected',
    title: 'hopgate, hot, introspection for 5 s',
    source: 'memory',
    targets: [{ of: 'hot' }],
    async sections(site, started) {
      const port = await findFreePort()
      const command = [process.execPath, join(import.meta.dirname, '../peers/introspection.ts')]
      started.use(await startProcess({ name: 'introspection', command, port }, site.cpus.load))
      const secret = join(site.folder, 'introspection.secret')
      writeFileSync(secret, 'of-the-benchmark-only', { mode: 0o600 })
      const introspection = {
        endpoint: `http://127.0.0.1:${port}/introspect`,
        client: { secret: { file: secret } },
      }
      const [login, ...others] = loginIssuers(site)
      return {
        issuers: [{ ...login, introspection }, ...others],
        routes: [{ ...ordersRoute, verify: 'introspection' }],
      }
    },
  }),
  sidecarRow({
    name: 'public',
    title: 'hopgate, public route',
    request: anonymousRequest,
    sections: () => ({ routes: [{ path: ordersRoute.path, methods: ordersRoute.methods, public: true }] }),
  }),
  sidecarRow({
    name: 'hot-4k',
    title: 'hopgate, 4 KB body',
    request: mediumBody,
    source: 'memory',
    targets: [{ of: 'floor-4k' }],
  }),
  sidecarRow({
    name: 'hot-1m',
    title: 'hopgate, 1 MB body',
    request: largeBody,
    source: 'memory',
    targets: [{ of: 'floor-1m', atMost: 1.3 }],
  }),
  sidecarRow({
    name: 'tls',
    title: 'hopgate, TLS inbound',
    request: secureRequest,
    source: 'memory',
    targets: [{ of: 'floor-tls' }],
    sections: (site, _started, address) => ({ listen: { address, tls: certificateFiles(site) } }),
  }),
  sidecarRow({
    name: 'grpc',
    title: 'hopgate, gRPC over HTTP/2',
    programs: ['h2load'],
    request: grpcCall,
    source: 'memory',
    async sections(site, started) {
      const port = await findFreePort()
      const command = [process.execPath, join(import.meta.dirname, '../peers/grpc-service.ts')]
      started.use(await startProcess({ name: 'gRPC service', command, port }, site.cpus.load))
      return { upstream: { url: `http://127.0.0.1:${port}`, protocol: 'h2' } }
    },
  }),
]
