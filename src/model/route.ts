import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { StepUp } from '../oauth/step-up.ts'
import type { TokenTypeUri } from '../oauth/token-type.ts'

/** A route's name in audit events, metrics and logs: the configured `name`, or its methods, host and path pattern. */
export type RouteId = string

/** What a request must look like to belong to a route. */
export interface RouteMatch {
  /** Lower-case host without port; absent means any. */
  readonly host?: string
  /** A path pattern: literal segments, `{name}` for one segment, a last `**` for any rest. */
  readonly path: string
  /** Upper-case methods; absent means any that Hopgate forwards. */
  readonly methods?: readonly string[]
}

/** One entry of the configured `routes`, compiled once and frozen. */
export type Route = PublicRoute | ProtectedRoute

interface AnyRoute {
  readonly id: RouteId
  readonly match: RouteMatch
  /** Whether `Upgrade: websocket` may pass. */
  readonly websocket: boolean
  /** Whose pages may send it; absent means anybody's. A request without `Origin` comes from no page. */
  readonly websocketOrigins?: readonly string[]
  /** From a request's arrival to the end of its response; absent means no limit. Decides nothing about who may do what. */
  readonly timeoutMs?: number
}

/** A route that forwards anonymous traffic because the configuration says `public: true`. No token is passed on. */
export interface PublicRoute extends AnyRoute {
  readonly kind: 'public'
}

/**
 * How the presented token is verified: `jwt` by its signature and claims, `introspection` by asking its issuer
 * (RFC 7662), `both` by both, which must agree.
 */
export type TokenVerification = 'jwt' | 'introspection' | 'both'

/** Who is asked beside the policy, and what is done without an answer. */
export interface RemoteDecisionRule {
  /** The name of a decision point. */
  readonly point: string
  /** How long a decision is used for the same question. */
  readonly cacheMs: number
  readonly whenUnavailable: 'deny' | 'ignore'
}

/** A route that forwards only with an issued token. */
export interface ProtectedRoute extends AnyRoute {
  readonly kind: 'protected'
  readonly verify: TokenVerification
  /** Clients whose tokens may be used here (`client_id` or `azp`); absent means any client that the issuer serves. */
  readonly clients?: readonly string[]
  /** Scopes that the presented token must hold; they are asked for in the exchange. */
  readonly scope: ScopeSet
  /** Scopes that are asked for as well when the presented token holds them. */
  readonly optionalScope: ScopeSet
  /** A CEL expression over `subject`, `actor`, `client`, `token`, `request` that must be true. */
  readonly allow?: string
  /** A decision point that must permit as well; absent means that the policy decides alone. */
  readonly decide?: RemoteDecisionRule
  /** How the user must have authenticated; absent means anyhow. */
  readonly require?: StepUp
  /** The one audience that the issued token is good for. */
  readonly audience: string
  /** RFC 8707 resource indicator, sent along with the audience. */
  readonly resource?: string
  readonly requestedTokenType: TokenTypeUri
  /** How the issued token relates to its subject. An impersonation needs a rule of the policy that says so. */
  readonly mode: ExchangeMode
  /**
   * Dual identity: beside the workload's own token, what is forwarded carries a Transaction Token of this trust domain for
   * the caller. Only with `mode: machine`.
   */
  readonly trustDomain?: string
  /** Upper bound on the issued token's life here, in seconds. */
  readonly ttlSeconds?: number
  /** A privileged route refuses while its audit event could be lost. */
  readonly privileged: boolean
}
