import type { Contestant, Proof, Target } from '../contestant.ts'
import { ordersRoute, prepareSidecar, requireKnown, type Sections } from '../hopgate-config.ts'
import { anonymousRequest, largeBody, mediumBody, ordinaryRequest, type RequestKind } from '../requests.ts'

/** Ours, with everything on. Every row sends one kind of request to one configuration. */
export const sidecars: readonly Contestant[] = [
  sidecar({
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
  sidecar({
    name: 'public',
    title: 'hopgate, public route',
    request: anonymousRequest,
    sections: { routes: [{ path: ordersRoute.path, methods: ordersRoute.methods, public: true }] },
  }),
  sidecar({ name: 'hot-4k', title: 'hopgate, 4 KB body', request: mediumBody, source: 'memory' }),
  sidecar({
    name: 'hot-1m',
    title: 'hopgate, 1 MB body',
    request: largeBody,
    source: 'memory',
    targets: [{ of: 'floor-1m', atMost: 1.3 }],
  }),
  sidecar({
    name: 'audit-to-null',
    title: 'hopgate, hot, audit to /dev/null',
    source: 'memory',
    sections: { audit: { file: '/dev/null' } },
  }),
]

interface SidecarRow {
  readonly name: string
  readonly title: string
  readonly request?: RequestKind
  readonly sections?: Sections
  readonly source?: Proof['source']
  readonly targets?: readonly Target[]
}

function sidecar({
  name,
  title,
  request = ordinaryRequest,
  sections = {},
  source,
  targets = [],
}: SidecarRow): Contestant {
  return {
    name,
    title,
    targets,
    async prepare(site, started) {
      const { process, adminPort } = await prepareSidecar(site, started, sections)
      requireKnown(site, process)
      return {
        processes: [process],
        load: await request(site, process.port),
        ...(source !== undefined && { proof: { adminPort, source } }),
      }
    },
  }
}
