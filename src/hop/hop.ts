import type { Clock } from '../base/clock.ts'
import type { Caller } from '../base/http-caller.ts'
import type { Log } from '../base/log.ts'
import type { MaybePromise, Result } from '../base/result.ts'
import type { AdmittedRequest } from '../model/admitted-request.ts'
import type { AuditEvent } from '../model/audit-event.ts'
import type { TokenRequest } from '../model/exchange-request.ts'
import type { Exchanged } from '../model/issued-token.ts'
import { type Refusal, type RefusalAnswer, refusal, refusals } from '../model/refusal.ts'
import type { ProtectedRoute, Route } from '../model/route.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import type { Accept } from './accept/accept.ts'
import type { Authenticate } from './authenticate/authenticate.ts'
import type { AuthenticateActor } from './authenticate/authenticate-actor.ts'
import type { AuthenticateTransaction } from './authenticate/authenticate-transaction.ts'
import type { Authorize } from './authorize/authorize.ts'
import type { Forward } from './forward/forward.ts'
import type { Refuse } from './refuse.ts'
import { Trail } from './trail.ts'

/** The sixth stage, as far as a hop sees it. */
export interface HopRecord {
  /** A hop begins; exactly one `write` follows. */
  begin(): void
  /** Whether a request on this route may go on: false while its event could be lost and must not be. */
  accepts(route: Route): boolean
  write(event: AuditEvent): void
}

/** The six stages, in the order of a request's way, and the one way out for refusals. */
export interface Stages {
  readonly accept: Accept
  readonly authenticate: Authenticate
  /** A part of the second: who acts, where the request says that a person does. */
  readonly authenticateActor: AuthenticateActor
  /** A part of the second: the context that came along, where Transaction Tokens are taken. */
  readonly authenticateTransaction: AuthenticateTransaction
  readonly authorize: Authorize
  readonly exchange: (request: TokenRequest) => MaybePromise<Result<Exchanged, Refusal>>
  readonly forward: Forward
  readonly record: HopRecord
  readonly refuse: Refuse
}

/** Takes one request from arrival to record. Never rejects. */
export type Hop = (caller: Caller) => Promise<void>

/**
 * Puts the stages in order. Each one needs what only the one before can make, so none can be skipped; every refusal
 * and every surprise leaves by the same exit; and whatever happens, exactly one event is recorded.
 *
 * A stage answers with a value when it has it, and with a promise only when it has to wait: a request whose token is
 * known reaches the upstream without waiting for anything.
 */
export function createHop(stages: Stages, clock: Clock, log: Log): Hop {
  return async caller => {
    const { received, response } = caller
    stages.record.begin()
    const trail = new Trail(
      {
        method: received.method ?? '',
        target: received.url ?? '',
        peer: received.socket.remoteAddress ?? 'unknown',
      },
      clock,
    )
    const refuse = (reason: Refusal): void => {
      trail.refused(reason)
      const answer: RefusalAnswer = refusals[reason.code]
      if (answer.alert === true) {
        log.error(answer.title, { code: reason.code, detail: reason.detail, requestId: trail.requestId })
      }
      try {
        stages.refuse(response, reason, trail.requestId)
      } catch (cause) {
        log.error('refusal not answered', { requestId: trail.requestId, error: cause })
        response.destroy()
      }
    }

    try {
      const admitted = stages.accept(received)
      trail.ended('accept')
      if (!admitted.ok) return refuse(admitted.error)
      const request = admitted.value
      trail.admitted(request)
      if (response.destroyed) return refuse(callerGone)
      if (!stages.record.accepts(request.route)) {
        return refuse(refusal('audit.unavailable', 'the audit event of this request could be lost'))
      }

      if (!isProtected(request)) {
        const delivery = await stages.forward.deliver(request, caller, undefined, trail.arrivedMs)
        trail.ended('forward')
        return delivery.ok ? trail.delivered(delivery.value) : refuse(delivery.error)
      }

      const authenticated = stages.authenticate(request)
      const token = authenticated instanceof Promise ? await authenticated : authenticated
      trail.ended('authenticate')
      if (!token.ok) return refuse(token.error)
      trail.authenticated(token.value)

      let actorToken: VerifiedToken | undefined
      if (request.actorToken !== undefined) {
        const accompanied = await stages.authenticateActor(request.actorToken, request.route)
        if (!accompanied.ok) return refuse(accompanied.error)
        actorToken = accompanied.value
        trail.accompanied(actorToken)
      }

      let transaction: VerifiedToken | undefined
      if (request.transactionToken !== undefined) {
        const context = await stages.authenticateTransaction(request.transactionToken, token.value)
        if (!context.ok) return refuse(context.error)
        transaction = context.value
        trail.inTransaction({ tokenId: transaction.tokenId, fingerprint: transaction.fingerprint })
      }

      const authorizing = stages.authorize(request, token.value, actorToken)
      const authorized = authorizing instanceof Promise ? await authorizing : authorizing
      trail.ended('authorize')
      trail.decided(authorized.decision, authorized.question)
      if (!authorized.request.ok) return refuse(authorized.request.error)

      // The keys may have taken their time, and an exchange is not for nobody.
      if (response.destroyed) return refuse(callerGone)
      const exchanging = stages.exchange(authorized.request.value)
      const exchanged = exchanging instanceof Promise ? await exchanging : exchanging
      trail.ended('exchange')
      if (!exchanged.ok) return refuse(exchanged.error)
      trail.exchanged(exchanged.value)
      const added = exchanged.value.transaction
      if (added !== undefined) trail.inTransaction(added)
      if (response.destroyed) return refuse(callerGone)

      const passport = {
        issued: exchanged.value.token,
        request: authorized.request.value,
        transaction: transaction?.presented ?? added?.value,
      }
      const delivery = await stages.forward.deliver(request, caller, passport, trail.arrivedMs)
      trail.ended('forward')
      if (!delivery.ok) return refuse(delivery.error)
      trail.delivered(delivery.value)
    } catch (cause) {
      log.error('unexpected', {
        requestId: trail.requestId,
        stack: cause instanceof Error ? cause.stack : undefined,
      })
      refuse(refusal('internal', 'unexpected'))
    } finally {
      stages.record.write(trail.finish())
    }
  }
}

const callerGone = refusal('client.closed', 'the caller went away')

function isProtected(request: AdmittedRequest): request is AdmittedRequest<ProtectedRoute> {
  return request.route.kind === 'protected'
}
