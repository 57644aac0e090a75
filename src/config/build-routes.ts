import type { Route, RouteMatch } from '../model/route.ts'
import { emptyScope } from '../oauth/scope-set.ts'
import type { StepUp } from '../oauth/step-up.ts'
import { tokenType } from '../oauth/token-type.ts'
import { buildDecide } from './build-decision-points.ts'
import { routeId } from './check-routes.ts'
import type { DecisionPointsInput } from './decision-point-schema.ts'
import type { RouteInput } from './route-schema.ts'

/** Turns validated `routes` into routes. */
export function buildRoutes(
  routes: readonly RouteInput[],
  points: DecisionPointsInput,
  trustDomain: string | undefined,
): readonly Route[] {
  return routes.map(input => {
    const match: RouteMatch = {
      path: input.path,
      ...(input.host !== undefined && { host: input.host }),
      ...(input.methods !== undefined && { methods: [...new Set(input.methods)] }),
    }
    const id = routeId(input)
    const { audience } = input
    const common = {
      id,
      match,
      websocket: input.websocket !== false,
      ...(typeof input.websocket === 'object' && {
        websocketOrigins: [...new Set(input.websocket.origins)].sort(),
      }),
      ...(input.timeout !== undefined && { timeoutMs: input.timeout }),
    }
    if (audience === undefined) return { kind: 'public', ...common }
    return {
      kind: 'protected',
      ...common,
      verify: input.verify ?? 'jwt',
      audience,
      scope: input.scope ?? emptyScope,
      optionalScope: input.optional_scope ?? emptyScope,
      requestedTokenType: input.requested_token_type ?? tokenType.accessToken,
      mode: input.identity === 'dual' ? 'machine' : (input.mode ?? 'delegation'),
      privileged: input.privileged ?? false,
      ...(input.clients !== undefined && { clients: input.clients }),
      ...(input.allow !== undefined && { allow: input.allow }),
      ...(input.decide !== undefined && { decide: buildDecide(input.decide, points) }),
      ...(input.require !== undefined && { require: buildStepUp(input.require) }),
      ...(input.resource !== undefined && { resource: input.resource }),
      ...(input.identity === 'dual' && trustDomain !== undefined && { trustDomain }),
      ...(input.ttl !== undefined && { ttlSeconds: input.ttl }),
    }
  })
}

function buildStepUp({ acr, max_age: maxAgeSeconds }: NonNullable<RouteInput['require']>): StepUp {
  return {
    ...(acr !== undefined && { acrValues: [...new Set(acr)] }),
    ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
  }
}
