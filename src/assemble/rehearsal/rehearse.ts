import type { Clock, EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Claims, GivenApproval } from '../../config/policy-suite.ts'
import type { Limits, SidecarConfig, StsConfig } from '../../config/sidecar-config.ts'
import type { ReceivedRequest } from '../../hop/accept/accept.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import type { ProtectedRoute, Route } from '../../model/route.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { denied, type Outcome } from '../../review/outcome.ts'
import { createTokenVerifiers } from '../../tokens/token-verifiers.ts'
import { createDecidingStages, type DecidingConfig, type DecidingStages } from '../deciding-stages.ts'
import { createGivenApproval } from './given-approval.ts'
import { createRehearsalExchange } from './rehearsal-exchange.ts'
import type { RehearsalKeys } from './rehearsal-keys.ts'
import { refused, settle } from './settle.ts'

/** A sidecar as far as it decides, and the token service that it asks. */
export interface RehearsedSidecar extends DecidingConfig, Pick<SidecarConfig, 'issuers'> {
  readonly limits: DecidingConfig['limits'] & Pick<Limits, 'tokenBytes'>
  /** Its clients authenticate as {@link rehearsalAuthentication} says. */
  readonly sts: StsConfig
}

/** A request as somebody would write it down, with claims for tokens. */
export interface RehearsedRequest {
  readonly method: string
  readonly url: URL
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  readonly token: Claims | undefined
  readonly actor: Claims | undefined
  readonly approval: GivenApproval | undefined
}

/**
 * Runs the stages of a hop up to and including the exchange, and the token service behind it, all in this process. The
 * tokens are signed with a key that stands in for every issuer's, so that every check of a token is made; nothing is sent
 * anywhere.
 */
export async function rehearse(
  sidecar: RehearsedSidecar,
  request: RehearsedRequest,
  now: EpochSeconds,
  keys: RehearsalKeys,
): Promise<Outcome> {
  const clock: Clock = { now: () => now, monotonicMs: () => 0 }
  const approvals = createGivenApproval(request.approval)
  const { issuers, limits } = sidecar
  const verifiers = createTokenVerifiers(issuers.map(keys.standIn), keys.dependencies(now, limits.tokenBytes))
  const stages = createDecidingStages(
    { ...sidecar, routes: sidecar.routes.map(bySignature) },
    { verifiers, clock, overload: () => undefined, approvals, resourceMetadata: undefined },
  )
  const sts = { ...sidecar.sts, issuers: sidecar.sts.issuers.map(keys.standIn) }
  await using exchange = createRehearsalExchange({ exchange: sidecar.exchange, sts, keys, clock, approvals })
  try {
    const admitted = stages.accept(receive(sidecar, request, keys))
    if (!admitted.ok) return refused(admitted.error)
    const route = admitted.value.route.id
    if (!isProtected(admitted.value)) return { ...denied, decision: 'permit', route }
    const callers = await authenticate(stages, admitted.value)
    if (!callers.ok) return refused(callers.error, { route })
    if (admitted.value.transactionToken !== undefined) {
      return refused(
        refusal('token.invalid', 'a Transaction Token that comes along is verified by no rehearsal'),
        {
          route,
        },
      )
    }
    const { token, actorToken } = callers.value
    const authorized = await stages.authorize(admitted.value, token, actorToken)
    return { ...(await settle(authorized, exchange, now)), route }
  } finally {
    verifiers.close()
  }
}

/** The message as the front of a sidecar would hand it over. */
function receive(
  { context }: RehearsedSidecar,
  { method, url, headers, token, actor }: RehearsedRequest,
  keys: RehearsalKeys,
): ReceivedRequest {
  const rawHeaders = ['Host', url.host, ...headers]
  if (token !== undefined) rawHeaders.push('Authorization', `Bearer ${keys.sign(token)}`)
  if (actor !== undefined && context.actorToken !== undefined) {
    rawHeaders.push(context.actorToken, keys.sign(actor))
  }
  return {
    method,
    url: `${url.pathname}${url.search}`,
    httpVersion: '1.1',
    rawHeaders,
    socket: { remoteAddress: '127.0.0.1', encrypted: url.protocol === 'https:' },
  }
}

/** There is nobody to ask about a token: what its issuer would answer is what it says. */
function bySignature(route: Route): Route {
  return route.kind === 'protected' ? { ...route, verify: 'jwt' } : route
}

function isProtected(request: AdmittedRequest): request is AdmittedRequest<ProtectedRoute> {
  return request.route.kind === 'protected'
}

/** The second stage, for the caller and for the person who acts. */
export async function authenticate(
  stages: Pick<DecidingStages, 'authenticate' | 'authenticateActor'>,
  request: AdmittedRequest<ProtectedRoute>,
): Promise<
  Result<{ readonly token: VerifiedToken; readonly actorToken: VerifiedToken | undefined }, Refusal>
> {
  const token = await stages.authenticate(request)
  if (!token.ok) return token
  if (request.actorToken === undefined) return ok({ token: token.value, actorToken: undefined })
  const actor = await stages.authenticateActor(request.actorToken, request.route)
  return actor.ok ? ok({ token: token.value, actorToken: actor.value }) : fail(actor.error)
}
