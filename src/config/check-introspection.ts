import type { Report } from './report.ts'
import type { RouteInput } from './route-schema.ts'
import type { SidecarIssuerInput } from './sidecar-issuer-schema.ts'

/** Reports routes whose tokens nobody can be asked about, and tokens that more than one issuer would be asked about. */
export function checkIntrospection(
  issuers: readonly (SidecarIssuerInput | undefined)[],
  routes: readonly (RouteInput | undefined)[],
  report: Report,
): void {
  const opaque = issuers.flatMap((issuer, index) => (issuer?.introspection?.opaque === true ? [index] : []))
  for (const index of opaque.slice(1)) {
    const path = ['issuers', index, 'introspection', 'opaque']
    report.add({ path, found: `true, as in issuers[${opaque[0]}]`, expected: 'true for one issuer at most' })
  }
  // An issuer that is wrong may have been meant to have it.
  if (issuers.some(issuer => issuer === undefined || issuer.introspection !== undefined)) return
  for (const [index, route] of routes.entries()) {
    if (route?.verify === undefined || route.verify === 'jwt') continue
    const found = `${route.verify}, and no issuer that can be asked`
    report.add({ path: ['routes', index, 'verify'], found, expected: 'introspection at an issuer, or jwt' })
  }
}
