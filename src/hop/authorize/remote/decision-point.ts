import { Breaker, type Pass } from '../../../base/breaker.ts'
import { channels } from '../../../base/channels.ts'
import type { Clock } from '../../../base/clock.ts'
import { type HttpClient, HttpClientError, type OutgoingResponse } from '../../../base/http-client.ts'
import { fail, ok, type Result } from '../../../base/result.ts'
import { isJsonObject, type JsonObject, parseStrictJsonObject } from '../../../base/strict-json.ts'
import type { DecisionPointConfig } from '../../../config/sidecar-config.ts'
import { readAcrValues, readMaxAge, type StepUp } from '../../../oauth/step-up.ts'
import { describeValue } from '../../../tokens/describe-value.ts'

/** What a decision point has decided. */
export type RemoteDecision =
  | { readonly isPermitted: true }
  | { readonly isPermitted: false; readonly reason: string; readonly stepUp?: StepUp }

/**
 * Asks a decision point (OpenID AuthZEN Authorization API 1.0 §6): one JSON text over POST, no redirects, an answer of
 * bounded size in strict JSON, within the configured time.
 *
 * Contract: never throws for anything that the other side does; anything but a 200 whose `decision` is exactly true or
 * false is no decision, and an error for the log. After five failures in a row it is left alone for two seconds.
 *
 * @param requestId goes along as `X-Request-ID` (§10.1.1), so that both sides' records can be brought together
 */
export type DecisionPoint = (body: string, requestId: string) => Promise<Result<RemoteDecision, string>>

export interface DecisionPointDependencies {
  readonly client: HttpClient
  readonly clock: Clock
}

const maxBytes = 64 * 1024

export function createDecisionPoint(
  { name, url, secret, timeoutMs }: DecisionPointConfig,
  { client, clock }: DecisionPointDependencies,
): DecisionPoint {
  const breaker = new Breaker({ failures: 5, openMs: 2_000, clock })

  const ask = async (
    body: string,
    requestId: string,
    pass: Pass,
  ): Promise<Result<RemoteDecision, string>> => {
    const headers = {
      accept: 'application/json',
      'content-type': 'application/json',
      'x-request-id': requestId,
      ...(secret && { authorization: `Bearer ${secret.expose()}` }),
    }
    try {
      const response = await client.send({ method: 'POST', url, headers, body, timeoutMs, maxBytes })
      const isDown = response.status >= 500 || response.status === 429
      pass.settle(isDown ? 'failed' : 'answered')
      return readDecision(response)
    } catch (cause) {
      pass.settle('failed')
      if (cause instanceof HttpClientError) return fail(cause.message)
      throw cause
    }
  }

  return async (body, requestId) => {
    const pass = breaker.admit()
    if (!pass.ok) return fail('it has not answered for a while')
    const startMs = clock.monotonicMs()
    const decided = await ask(body, requestId, pass.value)
    const outcome = !decided.ok ? 'unavailable' : decided.value.isPermitted ? 'permit' : 'deny'
    channels.decisionPoint.publish({ point: name, outcome, durationMs: clock.monotonicMs() - startMs })
    return decided
  }
}

function readDecision({ status, body }: OutgoingResponse): Result<RemoteDecision, string> {
  if (status !== 200) return fail(`status ${status}`)
  const answer = parseStrictJsonObject(body)
  if (answer === undefined) return fail('the answer is not a strict JSON object')
  const { decision, context } = answer
  if (decision === true) return ok({ isPermitted: true })
  if (decision !== false) return fail(`decision is ${describeValue(decision)}`)
  const told = isJsonObject(context) ? context : {}
  const stepUp = readStepUp(told)
  return ok({ isPermitted: false, reason: readReason(told), ...(stepUp !== undefined && { stepUp }) })
}

/** `acr_values` as in §5.5.2 of the specification, and `max_age` beside it, as in RFC 9470. */
function readStepUp(context: JsonObject): StepUp | undefined {
  const acrValues = readAcrValues(context['acr_values'])
  const maxAgeSeconds = readMaxAge(context['max_age'])
  if (acrValues === undefined && maxAgeSeconds === undefined) return undefined
  return {
    ...(acrValues !== undefined && { acrValues }),
    ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
  }
}

/** For the log: `reason`, or the first text of `reason_admin`, cut and escaped. */
function readReason({ reason, reason_admin: forAdmin }: JsonObject): string {
  if (typeof reason === 'string') return describeValue(reason)
  const [first] = isJsonObject(forAdmin) ? Object.values(forAdmin) : []
  return typeof first === 'string' ? describeValue(first) : 'no reason given'
}
