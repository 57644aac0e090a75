import { STATUS_CODES } from 'node:http'
import type { CallerResponse } from '../base/http-caller.ts'
import { type Refusal, type RefusalAnswer, refusals } from '../model/refusal.ts'
import { bearerChallenge, type ProtectionSpace } from '../oauth/challenge.ts'
import { grpcFields, isGrpcCall } from './grpc-answer.ts'

/** Answers a refusal; the only place where one becomes bytes. */
export type Refuse = (response: CallerResponse, refusal: Refusal, requestId: string | undefined) => void

/** `Retry-After` when the other side named no time, in seconds. */
const defaultRetrySeconds = 1

/** A document says the same to everyone, for as long as the configuration is the same. */
const documentCaching = 'public, max-age=300'

/** The one status of the table without a body (RFC 9110 §15.3.5). */
const noContent = 204

/**
 * Makes the one way out for refusals: the status and title of the code's row, a challenge where RFC 6750 asks for one,
 * an RFC 9457 problem as the body. The detail stays in the record; nothing here quotes the request. A gRPC call gets the
 * same as gRPC says it.
 *
 * @param space for the challenge
 */
export function createRefuse(space: ProtectionSpace): Refuse {
  return (response, refusal, requestId) => {
    if (response.headersSent || response.destroyed) {
      // Too late for an answer: a broken connection says that what came is not whole.
      response.destroy()
      return
    }
    const answer: RefusalAnswer = refusals[refusal.code]
    const fields = refusalFields(answer, refusal, space, requestId)
    if (isGrpcCall(response.req)) {
      response.writeHead(200, 'OK', [...grpcFields(answer), ...fields])
      response.end()
      return
    }
    const { document } = refusal
    const body = answer.status === noContent ? undefined : (document ?? problem(answer, refusal.code))
    if (body !== undefined) {
      fields.push(
        'Content-Type',
        document === undefined ? 'application/problem+json' : 'application/json',
        'Content-Length',
        String(Buffer.byteLength(body)),
      )
    }
    // The phrase is given, because a response that failed half way may still hold another one.
    // Seen by whoever looks at the next request on this connection, unlike the field.
    if (answer.close === true) response.shouldKeepAlive = false
    response.writeHead(answer.status, STATUS_CODES[answer.status] ?? answer.title, fields)
    if (body === undefined || response.req.method === 'HEAD') response.end()
    else response.end(body, 'utf8')
  }
}

function problem({ title, status }: RefusalAnswer, code: Refusal['code']): string {
  return JSON.stringify({ type: 'about:blank', title, status, code })
}

function refusalFields(
  answer: RefusalAnswer,
  refusal: Refusal,
  space: ProtectionSpace,
  requestId: string | undefined,
): string[] {
  const fields = ['Cache-Control', refusal.document === undefined ? 'no-store' : documentCaching]
  if (requestId !== undefined) fields.push('X-Request-Id', requestId)
  if (answer.challenge !== undefined) {
    const error = answer.challenge === 'bare' ? undefined : answer.challenge
    fields.push('WWW-Authenticate', bearerChallenge(space, error, refusal))
  }
  if (answer.retry === true)
    fields.push('Retry-After', String(refusal.retryAfterSeconds ?? defaultRetrySeconds))
  if (refusal.allow !== undefined) fields.push('Allow', refusal.allow.join(', '))
  if (answer.close === true) fields.push('Connection', 'close')
  return fields
}
