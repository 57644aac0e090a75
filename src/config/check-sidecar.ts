import { checkAdminAddress, checkNotOwnAddress } from './check-addresses.ts'
import { checkRoutes } from './check-routes.ts'
import type { ConfigDocument, ParseOptions } from './read-document.ts'
import type { SidecarInput } from './sidecar-schema.ts'

/** Reports what no single key shows: routes, addresses and sections that contradict each other. */
export function checkSidecar({ parts, report }: ConfigDocument<SidecarInput>, options: ParseOptions): void {
  const { service, listen, admin, upstream, issuers, exchange, routes = [], sts } = parts
  const server = exchange?.server
  checkAdminAddress(listen, admin, report)
  checkNotOwnAddress(upstream, ['upstream'], [listen, admin], report)
  checkNotOwnAddress(
    server === undefined ? undefined : new URL(server),
    ['exchange', 'server'],
    [listen, admin],
    report,
  )
  checkRoutes(routes, report)
  for (const [index, route] of routes.entries()) {
    const wrong = route?.allow === undefined ? undefined : options.checkExpression?.(route.allow)
    if (wrong === undefined) continue
    report.add({
      path: ['routes', index, 'allow'],
      found: `an expression that does not compile (${wrong})`,
      expected: 'a CEL expression',
    })
  }
  if (issuers?.length === 0 && routes.some(route => route?.public === false)) {
    report.add({ path: ['issuers'], found: 'no issuer', expected: 'at least one, or public routes only' })
  }
  if (exchange === undefined) return
  if (server !== undefined) {
    if (sts === undefined) return
    const found = 'a token service beside exchange.server'
    report.add({ path: ['sts'], at: 'key', found, expected: 'one of them' })
    return
  }
  if (admin?.port === 0 && sts?.issuer === undefined) {
    const found = 'port 0, by which the token service inside the sidecar cannot be found'
    report.add({ path: ['admin'], found, expected: 'a port, or sts.issuer' })
  }
  for (const [index, client] of (sts?.clients ?? []).entries()) {
    if (client.id !== service) continue
    const found = 'the sidecar itself, which is a client already'
    report.add({ path: ['sts', 'clients', index, 'id'], found, expected: 'another client' })
  }
}
