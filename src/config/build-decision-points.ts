import type { RemoteDecisionRule } from '../model/route.ts'
import type { DecideInput, DecisionPointsInput } from './decision-point-schema.ts'
import type { OpenSecrets } from './secret-reference.ts'
import type { DecisionPointConfig } from './sidecar-config.ts'

/** Where an address without a path leads (OpenID AuthZEN Authorization API 1.0 §10.1). */
const evaluationPath = '/access/v1/evaluation'

/** Turns validated `decision_points` into their configuration. */
export function buildDecisionPoints(
  points: DecisionPointsInput,
  secretAt: OpenSecrets,
): readonly DecisionPointConfig[] {
  return Object.entries(points).map(([name, point]) => ({
    name,
    url: point.url.pathname === '/' ? new URL(evaluationPath + point.url.search, point.url) : point.url,
    secret: point.secret === undefined ? undefined : secretAt(['decision_points', name, 'secret']),
    claims: point.claims,
    timeoutMs: point.timeout,
  }))
}

/** What a route says of its decision point, and what the point itself says where the route says nothing. */
export function buildDecide(input: DecideInput, points: DecisionPointsInput): RemoteDecisionRule {
  const rule = typeof input === 'string' ? { point: input } : input
  const point = points[rule.point]
  if (point === undefined) throw new Error(`no decision point ${rule.point}`)
  return {
    point: rule.point,
    cacheMs: rule.cache ?? point.cache,
    whenUnavailable: rule.when_unavailable ?? point.when_unavailable,
  }
}
