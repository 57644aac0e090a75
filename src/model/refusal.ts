import type { ChallengeError } from '../oauth/challenge.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'
import type { StepUp } from '../oauth/step-up.ts'

/** How a refusal looks to the caller. The title is all that the caller is told; details go to the log. */
export interface RefusalAnswer {
  readonly status: number
  readonly title: string
  /** The `error` of the Bearer challenge, or `bare` for a challenge without one (RFC 6750 §3). */
  readonly challenge?: ChallengeError | 'bare'
  /** Answers with `Retry-After`. */
  readonly retry?: true
  /** Closes the connection: the rest of the message cannot be trusted or is not wanted. */
  readonly close?: true
  /** Someone should look at it: logged as an error and counted for the alert rules. */
  readonly alert?: true
}

/** Every way in which Hopgate refuses a request. One row each; `docs/errors.md` is generated from this table. */
export const refusals = {
  'request.malformed': { status: 400, title: 'Malformed request', close: true },
  'request.header_too_large': { status: 431, title: 'Header section too large', close: true },
  'request.target_too_long': { status: 414, title: 'Request target too long', close: true },
  'request.body_too_large': { status: 413, title: 'Body too large', close: true },
  'request.expectation': { status: 417, title: 'Expectation not supported', close: true },
  'request.timeout': { status: 408, title: 'Request took too long', close: true },
  'request.method': { status: 501, title: 'Method not supported' },
  // Going no further is what was asked for (RFC 9110 §7.6.2), so this answer is no error, nor is the next.
  'request.max_forwards': { status: 204, title: 'Answered by the last hop' },
  // The metadata of the protected resource (RFC 9728 §3.2).
  'request.resource_metadata': { status: 200, title: 'Answered with metadata' },
  'request.origin': { status: 403, title: 'Origin not permitted' },
  'request.loop': { status: 508, title: 'Loop detected' },
  'route.not_found': { status: 404, title: 'No such route' },
  'route.method_not_allowed': { status: 405, title: 'Method not allowed' },
  'token.missing': { status: 401, title: 'Authentication required', challenge: 'bare' },
  'token.ambiguous': {
    status: 400,
    title: 'Ambiguous credentials',
    challenge: 'invalid_request',
    close: true,
  },
  'token.malformed': { status: 400, title: 'Malformed credentials', challenge: 'invalid_request' },
  'token.invalid': { status: 401, title: 'Invalid token', challenge: 'invalid_token' },
  'token.keys_unavailable': { status: 503, title: 'Token cannot be verified now', retry: true, alert: true },
  'token.introspection_unavailable': {
    status: 503,
    title: 'Token cannot be verified now',
    retry: true,
    alert: true,
  },
  'token.step_up': {
    status: 401,
    title: 'Stronger authentication required',
    challenge: 'insufficient_user_authentication',
  },
  'policy.denied': { status: 403, title: 'Not permitted' },
  'policy.scope_missing': { status: 403, title: 'Insufficient scope', challenge: 'insufficient_scope' },
  'policy.unavailable': { status: 503, title: 'Cannot be decided now', retry: true, alert: true },
  'exchange.subject_rejected': { status: 401, title: 'Invalid token', challenge: 'invalid_token' },
  'exchange.denied': { status: 403, title: 'Not permitted' },
  'exchange.interaction_required': {
    status: 401,
    title: 'User interaction required',
    challenge: 'insufficient_user_authentication',
  },
  'exchange.client_rejected': { status: 502, title: 'Token exchange failed', alert: true },
  'exchange.malformed': { status: 502, title: 'Token exchange failed', alert: true },
  'exchange.contract': { status: 502, title: 'Token exchange failed', alert: true },
  'exchange.unavailable': {
    status: 503,
    title: 'Token exchange is not available now',
    retry: true,
    alert: true,
  },
  'upstream.unreachable': { status: 502, title: 'Upstream not reachable' },
  'upstream.malformed': { status: 502, title: 'Upstream answered badly' },
  'upstream.timeout': { status: 504, title: 'Upstream took too long' },
  'client.closed': { status: 499, title: 'Caller went away', close: true },
  'sidecar.overloaded': { status: 503, title: 'Too busy now', retry: true },
  'audit.unavailable': { status: 503, title: 'Cannot be recorded now', retry: true, alert: true },
  internal: { status: 500, title: 'Internal error', close: true, alert: true },
} as const satisfies Record<string, RefusalAnswer>

export type RefusalCode = keyof typeof refusals

/** A request that goes no further, and why. */
export interface Refusal {
  readonly code: RefusalCode
  /** For the log and the audit event only. Holds no token, and no text that the caller chose without escaping. */
  readonly detail: string
  /** The scope that an `insufficient_scope` challenge names. */
  readonly scope?: ScopeSet
  /** How the user must authenticate, for an `insufficient_user_authentication` challenge. */
  readonly stepUp?: StepUp
  /** Methods for the `Allow` field. */
  readonly allow?: readonly string[]
  /** JSON that is the answer, instead of a problem that would say what is wrong. */
  readonly document?: string
  /** Seconds for `Retry-After`, where the other side named them. */
  readonly retryAfterSeconds?: number
}

/** Shorthand for the refusals that carry nothing but a detail. */
export function refusal(code: RefusalCode, detail: string): Refusal {
  return { code, detail }
}
