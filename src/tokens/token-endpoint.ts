import { channels } from '../base/channels.ts'
import type { Clock } from '../base/clock.ts'
import { formText } from '../base/form-text.ts'
import { type HttpClient, HttpClientError } from '../base/http-client.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { type Refusal, refusal } from '../model/refusal.ts'
import {
  type ClientAuthentication,
  ClientAuthenticationError,
  type TokenServer,
} from './client-authentication.ts'
import { classifyTokenError } from './token-refusal.ts'
import { readTokenResponse, type TokenResponse } from './token-response.ts'
import { withholdSecrets } from './withhold-secret.ts'

export interface TokenEndpointDependencies {
  readonly client: HttpClient
  readonly authenticate: ClientAuthentication
  readonly clock: Clock
}

export interface TokenRequest {
  readonly server: TokenServer
  /** The grant's parameters; the client's credentials are added here. */
  readonly parameters: Readonly<Record<string, string | undefined>>
  /** The whole call ends within this time. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Asks a token endpoint once (RFC 6749 §3.2): one form over POST, no redirects, an answer of bounded size in strict
 * JSON. Never throws for anything that the server does. Announces each call on `channels.tokenEndpoint`.
 */
export type TokenEndpoint = (request: TokenRequest) => Promise<Result<TokenResponse, Refusal>>

const maxBytes = 256 * 1024

export function createTokenEndpoint({
  client,
  authenticate,
  clock,
}: TokenEndpointDependencies): TokenEndpoint {
  return async request => {
    const form = new URLSearchParams()
    for (const [name, value] of Object.entries(request.parameters)) {
      if (value !== undefined) form.set(name, value)
    }
    const headers: Record<string, string> = {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
    }
    try {
      await authenticate(form, headers, request.server)
    } catch (cause) {
      if (cause instanceof ClientAuthenticationError) {
        return fail(refusal('exchange.client_rejected', cause.message))
      }
      throw cause
    }
    const startMs = clock.monotonicMs()
    const answer = withoutSecrets(await post(client, request, headers, formText(form), clock), form)
    channels.tokenEndpoint.publish({ outcome: outcomeOf(answer), durationMs: clock.monotonicMs() - startMs })
    return answer
  }
}

/** What the server writes into an error may be what it was sent. */
function withoutSecrets(
  answer: Result<TokenResponse, Refusal>,
  form: URLSearchParams,
): Result<TokenResponse, Refusal> {
  if (answer.ok) return answer
  const secrets = secretParameters.flatMap(name => form.getAll(name))
  return fail({ ...answer.error, detail: withholdSecrets(answer.error.detail, secrets) })
}

const secretParameters = ['subject_token', 'actor_token', 'client_secret', 'client_assertion'] as const

async function post(
  client: HttpClient,
  { server, timeoutMs, signal }: TokenRequest,
  headers: Readonly<Record<string, string>>,
  body: string,
  clock: Clock,
): Promise<Result<TokenResponse, Refusal>> {
  try {
    const response = await client.send({
      method: 'POST',
      url: server.tokenEndpoint,
      headers,
      body,
      timeoutMs,
      maxBytes,
      signal,
    })
    if (response.status !== 200) return fail(classifyTokenError(response, clock.now()))
    const answer = readTokenResponse(response.body)
    return answer.ok ? ok(answer.value) : fail(refusal('exchange.malformed', answer.error))
  } catch (cause) {
    if (!(cause instanceof HttpClientError)) throw cause
    const isAnswer = cause.failure === 'too_large' || cause.failure === 'encoded'
    return fail(refusal(isAnswer ? 'exchange.malformed' : 'exchange.unavailable', cause.message))
  }
}

function outcomeOf(answer: Result<TokenResponse, Refusal>): 'ok' | 'rejected' | 'malformed' | 'unavailable' {
  if (answer.ok) return 'ok'
  if (answer.error.code === 'exchange.unavailable') return 'unavailable'
  return answer.error.code === 'exchange.malformed' ? 'malformed' : 'rejected'
}
