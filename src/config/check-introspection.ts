import { type ExchangeInput, needsCertificate } from './exchange-schema.ts'
import type { Report } from './report.ts'
import type { RouteInput } from './route-schema.ts'
import type { SidecarIssuerInput } from './sidecar-issuer-schema.ts'

/**
 * Reports issuers that are to be asked with a certificate though they are not the authorization server: `exchange.tls`
 * shows it to nobody else.
 */
export function checkIntrospectionClients(
  issuers: readonly (SidecarIssuerInput | undefined)[],
  exchange: Pick<ExchangeInput, 'server' | 'tls'> | undefined,
  report: Report,
): void {
  const { server, tls } = exchange ?? {}
  for (const [index, issuer] of issuers.entries()) {
    const { client, endpoint } = issuer?.introspection ?? {}
    if (client === undefined || !needsCertificate(client)) continue
    const address = endpoint ?? URL.parse(issuer?.issuer ?? '')
    const isServer = server !== undefined && address?.origin === new URL(server).origin
    if (isServer && tls?.cert !== undefined) continue
    report.add({
      path: ['issuers', index, 'introspection', 'client', 'authentication'],
      found: 'a method by certificate, and none for this server',
      expected: 'another method, or exchange.server here with exchange.tls',
    })
  }
}

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
