import { compileExpression } from '../policy/expression.ts'
import { listenAddressOf } from './build-listen.ts'
import { upstreamUrlOf } from './build-upstream.ts'
import { checkAdminAddress, checkNotOwnAddress } from './check-addresses.ts'
import { checkIntrospection, checkIntrospectionClients } from './check-introspection.ts'
import { checkRoutes } from './check-routes.ts'
import { checkStsClients } from './check-sts.ts'
import { quoteText } from './config-problem.ts'
import type { DecisionPointsInput } from './decision-point-schema.ts'
import type { ConfigDocument } from './read-document.ts'
import type { Report } from './report.ts'
import type { RouteInput } from './route-schema.ts'
import type { SidecarInput } from './sidecar-schema.ts'

/** Reports what no single key shows: routes, addresses and sections that contradict each other. */
export function checkSidecar({ parts, report }: ConfigDocument<SidecarInput>): void {
  const { service, listen, admin, upstream, issuers, exchange, routes = [], sts } = parts
  const server = exchange?.server
  const data = listen && listenAddressOf(listen)
  checkAdminAddress(data, admin, report)
  const upstreamPath = upstream instanceof URL ? ['upstream'] : ['upstream', 'url']
  checkNotOwnAddress(upstream && upstreamUrlOf(upstream), upstreamPath, [data, admin], report)
  checkNotOwnAddress(
    server === undefined ? undefined : new URL(server),
    ['exchange', 'server'],
    [data, admin],
    report,
  )
  checkRoutes(routes, report)
  checkExpressions(routes, report)
  checkDecide(routes, parts.decision_points, report)
  checkIdentities(routes, parts.context?.trust_domain, report)
  if (issuers !== undefined) {
    checkIntrospection(issuers, routes, report)
    checkIntrospectionClients(issuers, exchange, report)
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
  checkStsClients(sts ?? {}, 'none', report)
  if (sts !== undefined && !exchange.algorithms.includes(sts.algorithm)) {
    const found = `${sts.algorithm}, which is not among exchange.algorithms`
    report.add({ path: ['sts', 'algorithm'], found, expected: 'one of those' })
  }
  for (const [index, client] of (sts?.clients ?? []).entries()) {
    if (client.id !== service) continue
    const found = 'the sidecar itself, which is a client already'
    report.add({ path: ['sts', 'clients', index, 'id'], found, expected: 'another client' })
  }
}

function checkDecide(
  routes: readonly (RouteInput | undefined)[],
  points: DecisionPointsInput | undefined,
  report: Report,
): void {
  if (points === undefined) return
  for (const [index, route] of routes.entries()) {
    const { decide } = route ?? {}
    const point = typeof decide === 'string' ? decide : decide?.point
    if (point === undefined || Object.hasOwn(points, point)) continue
    const path = ['routes', index, 'decide', ...(typeof decide === 'string' ? [] : ['point'])]
    const found = `${report.describe(path, point)}, which is not in decision_points`
    report.add({ path, found, expected: 'the name of a decision point' })
  }
}

function checkIdentities(
  routes: readonly (RouteInput | undefined)[],
  trustDomain: string | undefined,
  report: Report,
): void {
  for (const [index, route] of routes.entries()) {
    if (route?.identity !== 'dual' || trustDomain !== undefined) continue
    const found = 'dual, without a trust domain'
    report.add({ path: ['routes', index, 'identity'], found, expected: 'context.trust_domain beside it' })
  }
}

function checkExpressions(routes: readonly (RouteInput | undefined)[], report: Report): void {
  for (const [index, route] of routes.entries()) {
    const compiled = route?.allow === undefined ? undefined : compileExpression(route.allow)
    if (compiled?.ok !== false) continue
    const path = ['routes', index, 'allow']
    const reason = report.isFromEnvironment(path) ? '' : ` (${quoteText(compiled.error)})`
    report.add({ path, found: `an expression that does not compile${reason}`, expected: 'a CEL condition' })
  }
}
