import { type Clock, systemClock } from '../../base/clock.ts'
import { createHttpClient } from '../../base/http-client.ts'
import { silentLog } from '../../base/log.ts'
import { Secret } from '../../base/secret.ts'
import type { SidecarConfig } from '../../config/sidecar-config.ts'
import type { ReceivedRequest } from '../../hop/accept/accept.ts'
import { findRouteCandidates } from '../../hop/accept/route-candidates.ts'
import { readBearerToken } from '../../hop/authenticate/read-credentials.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Refusal } from '../../model/refusal.ts'
import type { ProtectedRoute, Route } from '../../model/route.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import type { Conclusion, Explanation, Fact, StageReport } from '../../review/explanation.ts'
import { createTokenVerifiers } from '../../tokens/token-verifiers.ts'
import { createDecidingStages } from '../deciding-stages.ts'
import { describeResource } from '../describe-resource.ts'
import { createRehearsalKeys } from '../rehearsal/rehearsal-keys.ts'
import { describeRefusal } from './describe-refusal.ts'
import { explainDecision } from './explain-decision.ts'
import { explainExchange } from './explain-exchange.ts'
import { explainToken, type PresentedToken, type TokenExplainer } from './explain-token.ts'

/** A request as somebody would send it. */
export interface ExplainedRequest {
  readonly method: string
  readonly url: URL
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  readonly token: Secret | undefined
  readonly actorToken: Secret | undefined
}

export interface ExplainOptions {
  /** As it was named. */
  readonly file: string
  readonly config: SidecarConfig
  /** Whether signatures are verified, for which keys may have to be fetched. Nothing else is fetched or sent. */
  readonly verify: boolean
  readonly clock?: Clock
}

/** Says what a sidecar would do with a request, by the stages that would do it, up to the exchange, which is not made. */
export async function explain(
  { file, config, verify, clock = systemClock }: ExplainOptions,
  request: ExplainedRequest,
): Promise<Explanation> {
  const client = createHttpClient()
  const resourceMetadata = describeResource(config)
  // A token is not sent anywhere to ask about it.
  const sidecar = { ...config, routes: config.routes.map(bySignature) }
  const verifiers = createTokenVerifiers(config.issuers, {
    client,
    log: silentLog,
    tokenBytes: config.limits.tokenBytes,
    keyOptions: { clock },
  })
  const stages = createDecidingStages(sidecar, {
    verifiers,
    clock,
    overload: () => undefined,
    approvals: undefined,
    resourceMetadata,
  })
  const said: StageReport[] = []
  const unproven: string[] = []
  const end = (conclusion: Conclusion): Explanation => ({
    file,
    service: config.service,
    method: request.method,
    url: request.url.href,
    stages: [...said, ...notReached(said)],
    conclusion,
  })
  const refuse = (stage: StageReport['stage'], refusal: Refusal, facts: readonly Fact[]): Explanation => {
    said.push({ stage, outcome: 'refused', facts })
    const space = { realm: config.service, resourceMetadata: resourceMetadata?.url }
    return end({ would: 'refuse', refusal: describeRefusal(refusal, space), unproven })
  }
  const pass = (stage: StageReport['stage'], facts: readonly Fact[], isSure: boolean): void => {
    said.push({ stage, outcome: isSure ? 'passed' : 'unproven', facts })
  }

  try {
    const admitted = stages.accept(receive(config, request))
    const candidates = describeCandidates(sidecar.routes, request, admitted.ok ? admitted.value : undefined)
    if (!admitted.ok) return refuse('accept', admitted.error, [candidates])
    pass('accept', acceptFacts(admitted.value, candidates), true)
    if (!isProtected(admitted.value)) return end({ would: 'forward', unproven })

    const { value: accepted } = admitted
    const explainer: TokenExplainer = {
      issuers: config.issuers,
      tokenBytes: config.limits.tokenBytes,
      keys: createRehearsalKeys(),
      route: accepted.route,
      now: clock.now(),
    }
    const way = wayOf(config.routes, accepted.route)
    const facts: Fact[] = [{ name: 'verify', value: way }]
    const credentials = readBearerToken(accepted.authorization)
    if (!credentials.ok) return refuse('authenticate', credentials.error, facts)
    const presented: PresentedToken[] = [
      {
        name: 'token',
        presented: new Secret(credentials.value),
        authenticate: verify ? () => stages.authenticate(accepted) : undefined,
      },
    ]
    const { actorToken: actor } = accepted
    if (actor !== undefined) {
      presented.push({
        name: 'actor token',
        presented: new Secret(actor),
        authenticate: verify ? () => stages.authenticateActor(actor, accepted.route) : undefined,
      })
    }
    const callers: VerifiedToken[] = []
    for (const one of presented) {
      const explained = await explainToken(one, explainer)
      facts.push(...explained.facts)
      if (!explained.verified.ok) return refuse('authenticate', explained.verified.error, facts)
      if (explained.unproven !== undefined) unproven.push(explained.unproven)
      callers.push(explained.verified.value)
    }
    const [token, actorToken] = callers as [VerifiedToken, VerifiedToken | undefined]
    if (way !== 'jwt') unproven.push(`the issuer was not asked about the token (verify: ${way})`)
    if (admitted.value.transactionToken !== undefined) {
      unproven.push('the Transaction Token that came along was not verified')
    }
    const isProven = unproven.length === 0
    pass('authenticate', facts, isProven)

    const decided = await explainDecision(config, clock, admitted.value, token, actorToken)
    unproven.push(...decided.unproven)
    const { request: permitted } = await stages.authorize(admitted.value, token, actorToken)
    if (!permitted.ok) return refuse('authorize', permitted.error, decided.facts)
    pass('authorize', decided.facts, decided.unproven.length === 0)

    const exchange = explainExchange(config, permitted.value, { now: clock.now(), isProven })
    said.push({ stage: 'exchange', outcome: 'described', facts: exchange })
    return end({ would: 'exchange', unproven })
  } finally {
    verifiers.close()
    await client.close()
  }
}

const stageNames = ['accept', 'authenticate', 'authorize', 'exchange'] as const

function notReached(said: readonly StageReport[]): readonly StageReport[] {
  return stageNames.slice(said.length).map(stage => ({ stage, outcome: 'not reached', facts: [] }))
}

/** The message as the front of the sidecar would hand it over. */
function receive(
  { context }: SidecarConfig,
  { method, url, headers, token, actorToken }: ExplainedRequest,
): ReceivedRequest {
  const rawHeaders = headers.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
    ? [...headers]
    : ['Host', url.host, ...headers]
  if (token !== undefined) rawHeaders.push('Authorization', `Bearer ${token.expose()}`)
  if (actorToken !== undefined && context.actorToken !== undefined) {
    rawHeaders.push(context.actorToken, actorToken.expose())
  }
  return {
    method,
    url: `${url.pathname}${url.search}`,
    httpVersion: '1.1',
    rawHeaders,
    socket: { remoteAddress: '127.0.0.1', encrypted: url.protocol === 'https:' },
  }
}

function bySignature(route: Route): Route {
  return route.kind === 'protected' ? { ...route, verify: 'jwt' } : route
}

function wayOf(routes: readonly Route[], { id }: Route): ProtectedRoute['verify'] {
  const route = routes.find(one => one.id === id)
  return route?.kind === 'protected' ? route.verify : 'jwt'
}

function isProtected(request: AdmittedRequest): request is AdmittedRequest<ProtectedRoute> {
  return request.route.kind === 'protected'
}

function describeCandidates(
  routes: readonly Route[],
  { method, url }: ExplainedRequest,
  admitted: AdmittedRequest | undefined,
): Fact {
  const host = admitted?.host ?? url.hostname
  const path = admitted?.path ?? url.pathname
  const candidates = findRouteCandidates(routes, host, method, path)
  const first = candidates.find(({ takes }) => takes)
  const said = candidates.map(candidate => {
    const { id } = candidate.route
    if (candidate === first) return `${id}: takes it`
    if (candidate.takes) return `${id}: would take it, but ${first?.route.id} is more specific`
    return `${id}: takes ${candidate.methods.join(', ')} and not ${method}`
  })
  return { name: 'routes', value: said.length === 0 ? 'none knows this host and path' : said }
}

function acceptFacts(
  { route, host, path, caseId, actorToken }: AdmittedRequest,
  candidates: Fact,
): readonly Fact[] {
  return [
    { name: 'host', value: host },
    { name: 'path', value: path },
    candidates,
    { name: 'route', value: route.kind === 'public' ? `${route.id}, public` : route.id },
    ...(caseId === undefined ? [] : [{ name: 'case id', value: caseId }]),
    ...(actorToken === undefined ? [] : [{ name: 'actor token', value: 'is there' }]),
  ]
}
