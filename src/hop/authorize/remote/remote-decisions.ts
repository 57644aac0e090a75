import type { Clock } from '../../../base/clock.ts'
import { digestFields } from '../../../base/digest.ts'
import type { HttpClient } from '../../../base/http-client.ts'
import type { Log } from '../../../base/log.ts'
import { LruMap } from '../../../base/lru-map.ts'
import type { MaybePromise, Result } from '../../../base/result.ts'
import { SingleFlight } from '../../../base/single-flight.ts'
import type { DecisionPointConfig } from '../../../config/sidecar-config.ts'
import type { AdmittedRequest } from '../../../model/admitted-request.ts'
import type { Decision } from '../../../model/decision.ts'
import type { ProtectedRoute, RemoteDecisionRule } from '../../../model/route.ts'
import type { VerifiedToken } from '../../../model/verified-token.ts'
import type { PolicyEngine } from '../../../policy/engine.ts'
import { accessEvaluation, type EvaluationSetting } from './access-evaluation.ts'
import { createDecisionPoint, type DecisionPoint, type RemoteDecision } from './decision-point.ts'

export interface RemoteDecisionsOptions extends Omit<EvaluationSetting, 'claims'> {
  readonly points: readonly DecisionPointConfig[]
  readonly client: HttpClient
  readonly clock: Clock
  readonly log: Log
}

type Permit = Extract<Decision, { readonly effect: 'permit' }>

/** A decision point with what is said of it. */
interface Asked {
  readonly config: DecisionPointConfig
  readonly ask: DecisionPoint
  isDown: boolean
}

interface Kept {
  readonly decided: RemoteDecision
  /** On the monotonic clock, counted from the question. */
  readonly untilMs: number
}

const maxEntries = 10_000

/**
 * An engine that, for routes with a decision point, asks it about what the local engine permits. The decision point can
 * deny, and nothing else: what the local engine denies it is not asked about, and its permit is the local one,
 * unchanged. A decision is used for a short time for exactly the same question, and requests with the same question share
 * one call; that there was no decision is never kept.
 */
export function createRemoteDecisions(local: PolicyEngine, options: RemoteDecisionsOptions): PolicyEngine {
  const { points, client, clock, log, ...setting } = options
  const asked = new Map<string, Asked>()
  for (const config of points) {
    asked.set(config.name, { config, ask: createDecisionPoint(config, { client, clock }), isDown: false })
  }
  const kept = new LruMap<Kept>({ maxEntries })
  const flights = new SingleFlight<Result<RemoteDecision, string>>()
  const unasked = new WeakMap<Permit, Permit>()

  const find = (
    point: Asked,
    rule: RemoteDecisionRule,
    body: string,
    requestId: string,
  ): MaybePromise<Result<RemoteDecision, string>> => {
    const key = digestFields('hopgate access evaluation', [rule.point, body]).toString('base64url')
    const known = kept.get(key)
    if (known !== undefined && clock.monotonicMs() < known.untilMs) return { ok: true, value: known.decided }
    return flights.do(key, async () => {
      const askedMs = clock.monotonicMs()
      const decided = await point.ask(body, requestId)
      if (decided.ok) kept.set(key, { decided: decided.value, untilMs: askedMs + rule.cacheMs })
      noteState(point, decided)
      return decided
    }).result
  }

  /** Says once that a decision point is not there, and once that it is back. */
  const noteState = (point: Asked, decided: Result<RemoteDecision, string>): void => {
    if (point.isDown !== decided.ok) return
    point.isDown = !decided.ok
    const fields = { point: point.config.name }
    if (decided.ok) log.info('decision point answers again', fields)
    else log.warn('decision point does not answer', { ...fields, reason: decided.error })
  }

  const conclude = (
    { id }: ProtectedRoute,
    { point, whenUnavailable }: RemoteDecisionRule,
    permit: Permit,
    decided: Result<RemoteDecision, string>,
  ): Decision => {
    const rule = `${id}#decide`
    if (!decided.ok) {
      if (whenUnavailable === 'ignore') return withoutPoint(permit, point)
      return { effect: 'deny', rule, reason: `decision point ${point}: ${decided.error}`, unavailable: true }
    }
    const { value } = decided
    if (value.isPermitted) return permit
    const reason = `decision point ${point} denies: ${value.reason}`
    return { effect: 'deny', rule, reason, ...(value.stepUp && { stepUp: value.stepUp }) }
  }

  /** The record must show that nobody was asked. The same permit gives the same object. */
  const withoutPoint = (permit: Permit, point: string): Permit => {
    const known = unasked.get(permit)
    if (known !== undefined) return known
    const rule = `${permit.rule} (${point} unavailable)`
    const marked: Permit = Object.freeze({ ...permit, rule })
    unasked.set(permit, marked)
    return marked
  }

  const ask = (
    request: AdmittedRequest<ProtectedRoute>,
    rule: RemoteDecisionRule,
    permit: Permit,
    token: VerifiedToken,
    actorToken: VerifiedToken | undefined,
  ): MaybePromise<Decision> => {
    const { route, requestId } = request
    const point = asked.get(rule.point)
    if (point === undefined) {
      return { effect: 'deny', rule: `${route.id}#decide`, reason: `no decision point ${rule.point}` }
    }
    const { claims } = point.config
    const body = JSON.stringify(accessEvaluation({ ...setting, claims }, request, token, actorToken))
    const decided = find(point, rule, body, requestId)
    return decided instanceof Promise
      ? decided.then(answer => conclude(route, rule, permit, answer))
      : conclude(route, rule, permit, decided)
  }

  return {
    decide(request, token, actorToken) {
      const decision = local.decide(request, token, actorToken)
      const { decide: rule } = request.route
      if (rule === undefined) return decision
      const goOn = (decided: Decision): MaybePromise<Decision> =>
        decided.effect === 'permit' ? ask(request, rule, decided, token, actorToken) : decided
      return decision instanceof Promise ? decision.then(goOn) : goOn(decision)
    },
  }
}
