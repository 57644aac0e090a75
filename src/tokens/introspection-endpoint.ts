import { Breaker, type Pass } from '../base/breaker.ts'
import { channels } from '../base/channels.ts'
import type { Clock, EpochSeconds } from '../base/clock.ts'
import { formText } from '../base/form-text.ts'
import { type HttpClient, HttpClientError, type OutgoingResponse } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type JsonObject, parseStrictJsonObject } from '../base/strict-json.ts'
import { untilAborted } from '../base/until-aborted.ts'
import type { IntrospectionConfig, IssuerRules } from '../config/sidecar-config.ts'
import { type Refusal, refusal } from '../model/refusal.ts'
import { ClientAuthenticationError } from './client-authentication.ts'
import { createClientAuthentication } from './client-authentication-methods.ts'
import { describeValue } from './describe-value.ts'
import type { KeySet } from './key-set.ts'
import { ServerLookup } from './server-lookup.ts'
import { readIntrospectionEndpoint } from './server-metadata.ts'
import {
  isSignedIntrospection,
  readSignedIntrospection,
  signedIntrospectionType,
} from './signed-introspection.ts'
import { readRetryAfter } from './token-refusal.ts'
import { withholdSecrets } from './withhold-secret.ts'

/** What an issuer says of a token (RFC 7662 §2.2), taken apart and not yet believed. */
export interface Introspection {
  /** The members beside `active`; undefined for a token that is not active. */
  readonly claims: JsonObject | undefined
  /** Size of the answer, for memory accounting. */
  readonly bytes: number
}

/**
 * Asks an issuer about one token (RFC 7662 §2.1): one form over POST, no redirects, an answer of bounded size in strict
 * JSON, or signed (RFC 9701).
 *
 * Contract: ends within the configured time; never throws for anything that the issuer does; whatever is not an answer
 * whose `active` is exactly true or false says nothing about the token and is `token.introspection_unavailable`. An
 * issuer that could not be reached five times in a row is left alone for a second. An error that it answers is another
 * matter: whoever presents a token that upsets it must not keep everybody else out.
 */
export interface IntrospectionEndpoint {
  ask(token: string): Promise<Result<Introspection, Refusal>>
  /** Looks for the endpoint, and for keys where answers must be signed, ahead of the first question. Never rejects. */
  warm(): Promise<void>
}

export interface IntrospectionEndpointDependencies {
  readonly client: HttpClient
  readonly clock: Clock
  readonly log: Log
  /** The issuer's keys, for signed answers. */
  readonly keys: KeySet
}

const maxBytes = 64 * 1024

export function createIntrospectionEndpoint(
  rules: IssuerRules,
  config: IntrospectionConfig,
  { client, clock, log, keys }: IntrospectionEndpointDependencies,
): IntrospectionEndpoint {
  const { issuer, plaintext } = rules
  const { timeoutMs } = config
  const authenticate = createClientAuthentication(config.client, clock)
  const read = readIntrospectionEndpoint
  const lookup = new ServerLookup({ server: issuer, read, client, plaintext, timeoutMs, clock, log })

  const find = async (signal: AbortSignal): Promise<Result<URL, string>> =>
    config.endpoint === undefined ? lookup.find(signal) : ok(config.endpoint)

  const breaker = new Breaker({ failures: 5, openMs: 1_000, clock })

  const ask = async (
    token: string,
    signal: AbortSignal,
    pass: Pass,
  ): Promise<Result<Introspection, Refusal>> => {
    const endpoint = await find(signal)
    if (!endpoint.ok) return unavailable(endpoint.error)
    const form = new URLSearchParams({ token, token_type_hint: 'access_token' })
    const headers: Record<string, string> = {
      accept: config.signed ? signedIntrospectionType : 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
    }
    try {
      await authenticate(form, headers, { issuer, tokenEndpoint: endpoint.value })
      const askedAt = clock.now()
      const request = { method: 'POST', url: endpoint.value, headers, body: formText(form) } as const
      const response = await client.send({ ...request, timeoutMs, maxBytes, signal })
      pass.settle('answered')
      return await readAnswer(response, askedAt)
    } catch (cause) {
      if (isAnswer(cause)) pass.settle('answered')
      if (cause instanceof HttpClientError || cause instanceof ClientAuthenticationError) {
        return unavailable(cause.message)
      }
      throw cause
    }
  }

  const readAnswer = async (
    response: OutgoingResponse,
    askedAt: EpochSeconds,
  ): Promise<Result<Introspection, Refusal>> => {
    const { status, headers, body } = response
    if (status !== 200) {
      const retryAfterSeconds = readRetryAfter(headers.get('retry-after'), clock.now())
      return unavailable(`the introspection endpoint answered with status ${status}`, retryAfterSeconds)
    }
    const answer = await readMembers(headers.get('content-type'), body, askedAt)
    if (!answer.ok) return unavailable(answer.error)
    const { active, ...claims } = answer.value
    if (active === false) return ok({ claims: undefined, bytes: body.length })
    if (active !== true) return unavailable(`active is ${describeValue(active)}`)
    return ok({ claims: Object.freeze(Object.assign(Object.create(null), claims)), bytes: body.length })
  }

  const readMembers = async (
    contentType: string | undefined,
    body: string,
    askedAt: EpochSeconds,
  ): Promise<Result<JsonObject, string>> => {
    if (isSignedIntrospection(contentType)) {
      const signed = { rules, keys, clientId: config.client.id, askedAt, now: clock.now() }
      return readSignedIntrospection(body, signed)
    }
    if (config.signed) return fail('the answer is not signed')
    const answer = parseStrictJsonObject(body)
    return answer === undefined ? fail('the answer is not a strict JSON object') : ok(answer)
  }

  return {
    async ask(token) {
      const startMs = clock.monotonicMs()
      const pass = breaker.admit()
      if (!pass.ok) return unavailable('the issuer has not answered for a while', pass.error)
      const deadline = AbortSignal.timeout(timeoutMs)
      try {
        const asked = ask(token, deadline, pass.value)
        const answer = (await untilAborted(asked, deadline)) ?? unavailable('no answer in time')
        const outcome = !answer.ok ? 'unavailable' : answer.value.claims === undefined ? 'inactive' : 'active'
        channels.introspection.publish({ outcome, durationMs: clock.monotonicMs() - startMs })
        return answer.ok ? answer : fail(withoutToken(answer.error, token))
      } finally {
        // Whoever was answered has settled before; what is left was not.
        pass.value.settle('failed')
      }
    },
    async warm() {
      await Promise.all([find(AbortSignal.timeout(timeoutMs)), config.signed ? keys.warm() : undefined])
    },
  }
}

/** An answer that cannot be read, and credentials of ours that cannot, show nothing of whether the issuer is there. */
function isAnswer(cause: unknown): boolean {
  if (cause instanceof ClientAuthenticationError) return true
  return cause instanceof HttpClientError && (cause.failure === 'too_large' || cause.failure === 'encoded')
}

function withoutToken(error: Refusal, token: string): Refusal {
  return { ...error, detail: withholdSecrets(error.detail, [token]) }
}

function unavailable(reason: string, retryAfterSeconds?: number): Result<never, Refusal> {
  return fail({
    ...refusal('token.introspection_unavailable', reason),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}
