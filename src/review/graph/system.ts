import type { HubConfig } from '../../config/hub-config.ts'
import type { IssuerRules, SidecarConfig, StsConfig } from '../../config/sidecar-config.ts'
import type { ProtectedRoute } from '../../model/route.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { type ScopeSet, scopeSet } from '../../oauth/scope-set.ts'
import type { PolicyDocument } from '../../policy/document.ts'

/** What a graph is made of: everything in the configurations that decides where a token can go. */
export interface System {
  readonly gates: readonly Gate[]
  readonly servers: readonly TokenServer[]
  /** What configurations have that is not followed: nobody should take the graph for more than it is. */
  readonly notFollowed: readonly string[]
}

/** Whose tokens are taken, and which. */
export interface Acceptance {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly maxActorDepth: number
}

/** A sidecar. */
export interface Gate {
  readonly file: string
  readonly service: string
  /** Its client id at the token service. */
  readonly client: string
  /** Issuer identifier of the token service that it asks. */
  readonly server: string
  readonly accepts: readonly Acceptance[]
  readonly routes: readonly ProtectedRoute[]
  /** Whether a token that is issued here must name who acts. */
  readonly namesActor: boolean
  /** Whether the token of a person who acts may come along. */
  readonly takesPerson: boolean
  readonly policy: PolicyDocument | undefined
  readonly environment: string | undefined
}

/** A token service: a hub's, or the one inside a sidecar. */
export interface TokenServer {
  readonly file: string
  readonly issuer: string
  readonly accepts: readonly Acceptance[]
  readonly clients: readonly ServerClient[]
  /** The audience of its Transaction Tokens. */
  readonly trustDomain?: string
  readonly maxActorDepth: number
  /** How often one actor may be in a chain. */
  readonly maxActorVisits: number
  readonly policy: PolicyDocument | undefined
  readonly environment: string | undefined
}

export interface ServerClient {
  readonly id: string
  /** Grant types that it may use. */
  readonly grants: ReadonlySet<string>
  /** A subject token is for one of these, its own id included. */
  readonly accepts: ReadonlySet<string>
  /** Undefined leaves the audiences to the policy. */
  readonly audiences:
    | ReadonlyMap<string, { readonly scope: ScopeSet; readonly resources: readonly string[] }>
    | undefined
}

/** A configuration and where it was read. */
export type ReadConfig =
  | { readonly kind: 'sidecar'; readonly file: string; readonly config: SidecarConfig }
  | { readonly kind: 'hub'; readonly file: string; readonly config: HubConfig }

/** Takes out of configurations what decides. */
export function readSystem(configs: readonly ReadConfig[]): System {
  const gates: Gate[] = []
  const servers: TokenServer[] = []
  const notFollowed: string[] = []
  for (const read of configs) {
    const { file } = read
    if (read.kind === 'sidecar') gates.push(readGate(file, read.config))
    const { sts } = read.config
    if (sts !== undefined) servers.push(readServer(file, sts))
    if (sts?.tickets !== undefined) notFollowed.push(`tickets of ${sts.issuer}`)
    if (sts?.transactionDomain !== undefined) notFollowed.push(`Transaction Tokens of ${sts.issuer}`)
    const routes = read.kind === 'sidecar' ? read.config.routes : []
    if (routes.some(route => route.kind === 'protected' && route.trustDomain !== undefined)) {
      notFollowed.push(`Transaction Tokens that ${file} sends along`)
    }
  }
  return { gates, servers, notFollowed }
}

function readGate(file: string, config: SidecarConfig): Gate {
  const { service, exchange, issuers, routes } = config
  return {
    file,
    service,
    client: exchange.client.id,
    server: exchange.server,
    accepts: issuers.map(readAcceptance),
    routes: routes.filter(route => route.kind === 'protected'),
    namesActor: exchange.actor === 'required',
    takesPerson: config.context.actorToken !== undefined,
    policy: config.policy,
    environment: config.environment,
  }
}

function readServer(file: string, sts: StsConfig): TokenServer {
  return {
    file,
    issuer: sts.issuer,
    accepts: sts.issuers.map(readAcceptance),
    ...(sts.transactionDomain !== undefined && { trustDomain: sts.transactionDomain }),
    clients: sts.clients.map(({ id, accepts, audiences, grants }) => ({
      id,
      grants: new Set(grants ?? impliedGrants(sts)),
      accepts: new Set([id, ...accepts]),
      audiences:
        audiences &&
        new Map(
          [...audiences].map(([audience, { scope, resources = [] }]) => [
            audience,
            { scope: scopeSet(scope), resources },
          ]),
        ),
    })),
    maxActorDepth: sts.maxActorDepth,
    maxActorVisits: sts.maxActorVisits,
    policy: sts.policy,
    environment: sts.environment,
  }
}

/** What a client has that is configured with no grants, see `Grant.isImplied`. */
function impliedGrants({ policy }: StsConfig): readonly string[] {
  return policy === undefined
    ? [grantType.tokenExchange]
    : [grantType.tokenExchange, grantType.clientCredentials]
}

function readAcceptance({ issuer, audience, maxActorDepth }: IssuerRules): Acceptance {
  return { issuer, audience, maxActorDepth }
}
