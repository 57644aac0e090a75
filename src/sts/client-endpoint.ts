import type { EpochSeconds } from '../base/clock.ts'
import { createEventIds } from '../base/event-id.ts'
import type { HttpRequest, HttpResponse } from '../base/http-message.ts'
import type { Log } from '../base/log.ts'
import { fail, type Result } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import type { AuthenticateClient } from './client-authentication.ts'
import { describeBug } from './describe-bug.ts'
import type { GrantRefusal } from './grant.ts'
import { tokenError } from './token-error.ts'
import { readTokenForm, type TokenForm } from './token-form.ts'
import { methodNotAllowed, tokenErrorResponse } from './token-response.ts'
import { noFacts, type TokenFacts, type TokenServiceEvent } from './token-service-event.ts'

/** What an endpoint sees of a request whose client was authenticated. */
export interface ClientRequest {
  readonly client: StsClient
  readonly form: TokenForm
  /** Every value of the `Accept` field. */
  readonly accept: readonly string[]
  readonly now: EpochSeconds
}

/** An answer, with what is recorded of it; undefined when it is only counted. */
export interface ClientAnswer {
  readonly response: HttpResponse
  readonly event: ClientEvent | undefined
}

export interface ClientEvent extends Pick<TokenServiceEvent, 'kind' | 'detail' | 'tokenId' | 'expiresAt'> {
  readonly facts: TokenFacts
}

export interface ClientEndpointOptions {
  readonly endpoint: 'introspection' | 'revocation'
  readonly authenticate: AuthenticateClient
  /** What is particular to the endpoint. Never throws for any input. */
  readonly answer: (request: ClientRequest) => Promise<Result<ClientAnswer, GrantRefusal>>
  readonly log: Log
  readonly record: (event: TokenServiceEvent) => void
}

/** An endpoint beside the token endpoint: answers one request at one time. */
export type ClientEndpoint = (request: HttpRequest, now: EpochSeconds) => Promise<HttpResponse>

/**
 * Makes an endpoint for authenticated clients that issues nothing: it reads the form and authenticates the client as the
 * token endpoint does, and has the rest answered. Each refusal is recorded.
 */
export function createClientEndpoint(options: ClientEndpointOptions): ClientEndpoint {
  const nextId = createEventIds()

  const answer = async (
    request: HttpRequest,
    now: EpochSeconds,
  ): Promise<Result<ClientAnswer, GrantRefusal>> => {
    const form = readTokenForm(request)
    if (!form.ok) return fail({ error: form.error, facts: noFacts })
    const client = await options.authenticate({
      form: form.value,
      authorization: request.headers.get('authorization') ?? [],
      certificate: request.certificate,
      peer: request.peer,
      now,
    })
    if (!client.ok) {
      return fail({ error: client.error.error, facts: { ...noFacts, client: client.error.claimedClient } })
    }
    const accept = request.headers.get('accept') ?? []
    return options.answer({ client: client.value, form: form.value, accept, now })
  }

  const answerOrBug: typeof answer = async (request, now) => {
    try {
      return await answer(request, now)
    } catch (cause) {
      options.log.error(`${options.endpoint} request failed`, { error: describeBug(cause) })
      const error = tokenError('server_error', 'internal error', 'unexpected failure')
      return fail({ error, facts: noFacts })
    }
  }

  return async (request, now) => {
    if (request.method !== 'POST') return methodNotAllowed('POST')
    const answered = await answerOrBug(request, now)
    const { endpoint } = options
    const common = { id: nextId(now), at: now, endpoint, grantType: undefined, peer: request.peer }
    if (!answered.ok) {
      const { error, facts } = answered.error
      const nothing = { tokenId: undefined, expiresAt: undefined }
      options.record({
        ...common,
        ...facts,
        ...nothing,
        kind: 'refused',
        error: error.code,
        detail: error.detail,
      })
      return tokenErrorResponse(error)
    }
    const { response, event } = answered.value
    if (event !== undefined) {
      const { facts, ...told } = event
      options.record({ ...common, ...facts, ...told, error: undefined })
    }
    return response
  }
}
