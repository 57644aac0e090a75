import type { Clock } from '../base/clock.ts'
import type { Limits, SidecarConfig } from '../config/sidecar-config.ts'
import { createAccept } from '../hop/accept/accept.ts'
import { createRouteTable } from '../hop/accept/route-table.ts'
import { createTrustedProxies } from '../hop/accept/trusted-proxies.ts'
import { createAuthenticate } from '../hop/authenticate/authenticate.ts'
import { createAuthenticateActor } from '../hop/authenticate/authenticate-actor.ts'
import { createAuthorize } from '../hop/authorize/authorize.ts'
import type { Stages } from '../hop/hop.ts'
import type { ResourceMetadata } from '../oauth/protected-resource.ts'
import { createAllOf } from '../policy/all-of.ts'
import type { ApprovalStore } from '../policy/approval.ts'
import { createDocumentEngine } from '../policy/document-engine.ts'
import type { PolicyEngine } from '../policy/engine.ts'
import { createPolicy } from '../policy/policy.ts'
import { createRouteRules } from '../policy/route-rules.ts'
import type { TokenVerifiers } from '../tokens/token-verifiers.ts'

/** The stages that decide whether a token is exchanged. They send nothing anywhere, but for keys that are fetched. */
export type DecidingStages = Pick<Stages, 'accept' | 'authenticate' | 'authenticateActor' | 'authorize'>

/** What they are made of. */
export interface DecidingConfig
  extends Pick<
    SidecarConfig,
    'service' | 'routes' | 'forwarded' | 'context' | 'policy' | 'environment' | 'exchange'
  > {
  readonly limits: Pick<Limits, 'targetBytes' | 'headerCount' | 'bodyBytes'>
}

export interface DecidingDependencies {
  readonly verifiers: TokenVerifiers
  readonly clock: Clock
  /** Why another request would be too many; undefined when there is room. */
  readonly overload: () => string | undefined
  readonly approvals: ApprovalStore | undefined
  /** What the routes' space says of itself. */
  readonly resourceMetadata: ResourceMetadata | undefined
  /** Asks decision points of others as well, on routes that say so; absent: nobody is asked. */
  readonly withDecisionPoints?: ((local: PolicyEngine) => PolicyEngine) | undefined
}

/** Wires the first three stages of one configuration, for a hop and for whoever wants to know what one would do. */
export function createDecidingStages(
  config: DecidingConfig,
  dependencies: DecidingDependencies,
): DecidingStages {
  const { limits } = config
  const { verifiers, clock, overload, approvals, resourceMetadata, withDecisionPoints } = dependencies
  const engines = policyEngines(config, clock, approvals)
  const local = createAllOf(engines)
  return {
    accept: createAccept({
      routes: createRouteTable(config.routes),
      isTrustedProxy: createTrustedProxies(config.forwarded.trustedProxies),
      targetBytes: limits.targetBytes,
      headerCount: limits.headerCount,
      bodyBytes: limits.bodyBytes,
      overload,
      context: config.context,
      pseudonym: `hopgate-${config.service}`,
      resourceMetadata,
    }),
    authenticate: createAuthenticate(verifiers, clock),
    authenticateActor: createAuthenticateActor(verifiers, clock),
    authorize: createAuthorize(withDecisionPoints?.(local) ?? local, clock, engines.at(-1)?.describe),
  }
}

/** The routes' own rules, then the policy. */
function policyEngines(
  { routes, policy, exchange, environment }: DecidingConfig,
  clock: Clock,
  approvals: ApprovalStore | undefined,
): [PolicyEngine, ...PolicyEngine[]] {
  const own = createRouteRules(routes)
  if (policy === undefined) return [own]
  const { server, client } = exchange
  const document = createPolicy(policy, server)
  return [own, createDocumentEngine({ policy: document, client: client.id, environment, approvals, clock })]
}
