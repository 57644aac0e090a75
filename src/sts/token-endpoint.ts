import type { EpochSeconds } from '../base/clock.ts'
import { createEventIds } from '../base/event-id.ts'
import type { HttpRequest, HttpResponse } from '../base/http-message.ts'
import type { Log } from '../base/log.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { StsClient } from '../config/sidecar-config.ts'
import type { AuthenticateClient } from './client-authentication.ts'
import { describeBug } from './describe-bug.ts'
import type { Grant, GrantRefusal, Issuance } from './grant.ts'
import { issueToken, type MintedToken } from './issue-token.ts'
import type { Signer } from './signer.ts'
import { tokenError } from './token-error.ts'
import { readTokenForm, type TokenForm } from './token-form.ts'
import { methodNotAllowed, tokenErrorResponse, tokenResponse } from './token-response.ts'
import { noFacts, type TokenServiceEvent } from './token-service-event.ts'

export interface TokenEndpointOptions {
  readonly issuer: string
  readonly authenticate: AuthenticateClient
  readonly grants: readonly Grant[]
  readonly signer: Signer
  /** False while an event could be lost: nothing is issued then. */
  readonly isRecording: () => boolean
  readonly log: Log
  readonly record: (event: TokenServiceEvent) => void
}

/** The token endpoint (RFC 6749 §3.2): answers one request at one time. */
export type TokenEndpoint = (request: HttpRequest, now: EpochSeconds) => Promise<HttpResponse>

interface Issued {
  readonly issuance: Issuance
  readonly token: MintedToken
}

/**
 * Makes the endpoint. It owns the phases, in this order and for every grant: read the form, authenticate the client,
 * find the grant, ask whether the client may use it, let the grant decide, issue. Each POST ends in one event.
 */
export function createTokenEndpoint(options: TokenEndpointOptions): TokenEndpoint {
  const grants = Map.groupBy(options.grants, grant => grant.grantType)
  const nextId = createEventIds()

  const answer = async (
    request: HttpRequest,
    form: TokenForm,
    now: EpochSeconds,
  ): Promise<Result<Issued, GrantRefusal>> => {
    const client = await options.authenticate({
      form,
      authorization: request.headers.get('authorization') ?? [],
      certificate: request.certificate,
      peer: request.peer,
      now,
    })
    if (!client.ok) {
      return fail({ error: client.error.error, facts: { ...noFacts, client: client.error.claimedClient } })
    }
    const facts = { ...noFacts, client: client.value.id }
    const grant = findGrant(grants, form)
    if (!grant.ok) return fail({ error: grant.error, facts })
    if (!mayUse(client.value, grant.value)) return fail({ error: unauthorized, facts })
    const issuance = await grant.value.authorize({ form, now }, client.value)
    if (!issuance.ok) return issuance
    const by = { issuer: options.issuer, clientId: client.value.id, signer: options.signer }
    const token = issueToken(issuance.value, by, now)
    if (!token.ok) return fail({ error: token.error, facts: issuance.value.facts })
    return ok({ issuance: issuance.value, token: token.value })
  }

  const answerOrBug: typeof answer = async (request, form, now) => {
    try {
      return await answer(request, form, now)
    } catch (cause) {
      options.log.error('token request failed', { error: describeBug(cause) })
      return fail({
        error: tokenError('server_error', 'internal error', 'unexpected failure'),
        facts: noFacts,
      })
    }
  }

  return async (request, now) => {
    if (request.method !== 'POST') return methodNotAllowed('POST')
    const form = readTokenForm(request)
    const decided = form.ok
      ? await answerOrBug(request, form.value, now)
      : fail({ error: form.error, facts: noFacts })
    // Asked last, with no wait before the event is handed over: what is issued is always on record.
    const outcome =
      decided.ok && !options.isRecording()
        ? fail({ error: unrecordable, facts: decided.value.issuance.facts })
        : decided
    const grantType = form.ok ? knownGrantType(grants, form.value) : undefined
    const event = { id: nextId(now), at: now, endpoint: 'token', grantType, peer: request.peer } as const
    if (!outcome.ok) {
      const { error, facts } = outcome.error
      options.record({
        ...event,
        ...facts,
        kind: 'refused',
        ...nothingIssued,
        error: error.code,
        detail: error.detail,
      })
      return tokenErrorResponse(error)
    }
    const { issuance, token } = outcome.value
    const { tokenId, expiresAt } = token
    options.record({ ...event, ...issuance.facts, kind: 'issued', ...noError, tokenId, expiresAt })
    return tokenResponse(issuance, token)
  }
}

const nothingIssued = { tokenId: undefined, expiresAt: undefined } as const
const noError = { error: undefined, detail: undefined } as const

const unauthorized = tokenError('unauthorized_client', 'the client may not use this grant')
const unrecordable = {
  ...tokenError('temporarily_unavailable', 'try again', 'the record cannot be kept'),
  retryAfterSeconds: 1,
}

type Grants = ReadonlyMap<string, readonly Grant[]>

function findGrant(grants: Grants, form: TokenForm): Result<Grant, GrantRefusal['error']> {
  const name = form.one('grant_type')
  if (name === undefined) return fail(tokenError('invalid_request', 'grant_type is missing'))
  const named = grants.get(name) ?? []
  const grant = named.find(one => one.isFor?.(form)) ?? named.find(one => one.isFor === undefined)
  if (grant === undefined) return fail(tokenError('unsupported_grant_type', 'grant_type is not supported'))
  return ok(grant)
}

/**
 * Deny by default: a client has the grants that it is configured with, and without any those that are implied. One that is
 * configured without any audience can get nothing, so it is told so at once.
 */
function mayUse({ grants, audiences, tickets }: StsClient, { grantType, isImplied }: Grant): boolean {
  const canGetAny = audiences === undefined || audiences.size > 0 || tickets !== undefined
  return canGetAny && (grants?.includes(grantType) ?? isImplied)
}

function knownGrantType(grants: Grants, form: TokenForm): string | undefined {
  const name = form.one('grant_type')
  return name !== undefined && grants.has(name) ? name : undefined
}
