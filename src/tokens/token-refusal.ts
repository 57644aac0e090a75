import type { EpochSeconds } from '../base/clock.ts'
import type { OutgoingResponse } from '../base/http-client.ts'
import { asciiJson } from '../base/json-text.ts'
import { isJsonObject, type JsonObject, parseStrictJson } from '../base/strict-json.ts'
import { type Refusal, type RefusalCode, refusal } from '../model/refusal.ts'
import { readAcrValues, readMaxAge, type StepUp } from '../oauth/step-up.ts'
import { describeValue } from './describe-value.ts'

/** What the error codes of a 4xx answer mean to the caller: RFC 6749 §5.2, RFC 8693 §2.2.2, OpenID Connect §3.1.2.6. */
const codeOf: ReadonlyMap<string, RefusalCode> = new Map<string, RefusalCode>([
  // RFC 8693 says invalid_request for a subject token that is not acceptable, many servers say invalid_grant.
  ['invalid_request', 'exchange.subject_rejected'],
  ['invalid_grant', 'exchange.subject_rejected'],
  ['invalid_target', 'exchange.denied'],
  ['invalid_scope', 'exchange.denied'],
  ['unauthorized_client', 'exchange.denied'],
  ['access_denied', 'exchange.denied'],
  ['invalid_client', 'exchange.client_rejected'],
  ['interaction_required', 'exchange.interaction_required'],
  ['login_required', 'exchange.interaction_required'],
  ['consent_required', 'exchange.interaction_required'],
  ['insufficient_user_authentication', 'exchange.interaction_required'],
  ['temporarily_unavailable', 'exchange.unavailable'],
  ['server_error', 'exchange.unavailable'],
  ['slow_down', 'exchange.unavailable'],
])

/** Keycloak's way of saying invalid_target, once as invalid_client and once as invalid_request. */
const targetUnknown = /^(?:Audience not found|Requested audience not available)\b/i

/**
 * Turns an answer other than 200 into a refusal. What the server wrote goes into the detail, cut and escaped, and
 * never to the caller. A redirect is never followed, whatever its target: it would carry the tokens along.
 */
export function classifyTokenError(response: OutgoingResponse, now: EpochSeconds): Refusal {
  const { status } = response
  if (status === 429 || status === 408 || status >= 500) {
    const retryAfterSeconds = readRetryAfter(response.headers.get('retry-after'), now)
    return {
      ...refusal('exchange.unavailable', `the token endpoint answered with status ${status}`),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    }
  }
  if (status < 400) return refusal('exchange.malformed', `the token endpoint answered with status ${status}`)
  const answer = parseStrictJson(response.body)
  const members = isJsonObject(answer) ? answer : {}
  const { error, error_description: description } = members
  const detail = `the token endpoint answered with status ${status}, error ${describeValue(error)}, description ${describeValue(description)}`
  const code = classify(status, error, description)
  const stepUp = code === 'exchange.interaction_required' ? readStepUp(members) : undefined
  return { ...refusal(code, detail), ...(stepUp !== undefined && { stepUp }) }
}

/**
 * What the server wants of the user: `acr_values` and `max_age` as in RFC 9470 §3, and `claims` as Microsoft's servers
 * send them, as JSON or as text that holds it. Each is taken apart and written anew for the caller, or left out.
 */
function readStepUp(members: JsonObject): StepUp | undefined {
  const acrValues = readAcrValues(members['acr_values'])
  const maxAgeSeconds = readMaxAge(members['max_age'])
  const claims = readClaimsDemand(members['claims'])
  if (acrValues === undefined && maxAgeSeconds === undefined && claims === undefined) return undefined
  return {
    ...(acrValues !== undefined && { acrValues }),
    ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
    ...(claims !== undefined && { claims }),
  }
}

/** What becomes longer than this, written anew, could be too long for a header field. */
const longestClaims = 2048

function readClaimsDemand(value: unknown): JsonObject | undefined {
  const claims = typeof value === 'string' ? parseStrictJson(value) : value
  return isJsonObject(claims) && asciiJson(claims).length <= longestClaims ? claims : undefined
}

function classify(status: number, error: unknown, description: unknown): RefusalCode {
  const code = typeof error === 'string' ? codeOf.get(error) : undefined
  // 401 is about our own credentials; some servers then say unauthorized_client, or nothing that can be read.
  if (status === 401 && (code === undefined || error === 'unauthorized_client')) {
    return 'exchange.client_rejected'
  }
  if (status === 400 && (error === 'invalid_client' || error === 'invalid_request')) {
    if (typeof description === 'string' && targetUnknown.test(description)) return 'exchange.denied'
  }
  return code ?? 'exchange.malformed'
}

const shortestRetrySeconds = 1
const longestRetrySeconds = 60
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** `Retry-After` (RFC 9110 §10.2.3), seconds or a date, bounded to 1 to 60 s. Undefined when it says nothing usable. */
export function readRetryAfter(value: string | undefined, now: EpochSeconds): number | undefined {
  if (value === undefined) return undefined
  let seconds = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN
  if (httpDate.test(value)) seconds = Math.ceil(Date.parse(value) / 1000 - now)
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(seconds, shortestRetrySeconds), longestRetrySeconds)
}
