import type { Clock } from '../base/clock.ts'
import { createEventIds } from '../base/event-id.ts'
import type { AdmittedRequest } from '../model/admitted-request.ts'
import {
  type AuditEvent,
  decisionFacts,
  type InboundFacts,
  type OutboundFacts,
  type PersonFacts,
  type QuestionFacts,
  type StageName,
  type TransactionFacts,
} from '../model/audit-event.ts'
import type { Decision } from '../model/decision.ts'
import type { Delivery } from '../model/delivery.ts'
import type { Exchanged, IssuedToken, TokenSource } from '../model/issued-token.ts'
import { type Refusal, refusals } from '../model/refusal.ts'
import { subjectKind } from '../model/subject-kind.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { actorSubjects } from '../oauth/actor.ts'
import { formatScope } from '../oauth/scope-set.ts'

/** What is known of a request before it is admitted. */
export interface Arrival {
  readonly method: string
  readonly target: string
  readonly peer: string
}

const nextEventId = createEventIds()

/**
 * Collects, stage by stage, what the record of a hop will say. Stages do not see it: `hop.ts` notes what they
 * answered.
 */
export class Trail {
  readonly #clock: Clock
  readonly #arrival: Arrival
  readonly #at: number
  readonly #arrivedMs: number
  readonly #stageMs: Record<StageName, number | undefined> = {
    accept: undefined,
    authenticate: undefined,
    authorize: undefined,
    exchange: undefined,
    forward: undefined,
  }
  #lastMs: number
  #admitted: AdmittedRequest | undefined
  #token: VerifiedToken | undefined
  #actorToken: VerifiedToken | undefined
  #decision: Decision | undefined
  #question: QuestionFacts | undefined
  #exchanged: Exchanged | undefined
  #transaction: TransactionFacts | undefined
  #delivery: Delivery | undefined
  #refusal: Refusal | undefined
  #status = 0

  constructor(arrival: Arrival, clock: Clock) {
    this.#clock = clock
    this.#arrival = arrival
    this.#at = clock.now()
    this.#arrivedMs = clock.monotonicMs()
    this.#lastMs = this.#arrivedMs
  }

  /** Notes that a stage has ended now; it began when the one before ended. */
  ended(stage: StageName): void {
    const nowMs = this.#clock.monotonicMs()
    const tookMs = nowMs - this.#lastMs
    this.#lastMs = nowMs
    const stageMs = this.#stageMs
    // One place for each name: a name that is another one each time costs a search, five times for every hop.
    switch (stage) {
      case 'accept':
        stageMs.accept = tookMs
        break
      case 'authenticate':
        stageMs.authenticate = tookMs
        break
      case 'authorize':
        stageMs.authorize = tookMs
        break
      case 'exchange':
        stageMs.exchange = tookMs
        break
      case 'forward':
        stageMs.forward = tookMs
        break
    }
  }

  admitted(request: AdmittedRequest): void {
    this.#admitted = request
  }

  authenticated(token: VerifiedToken): void {
    this.#token = token
  }

  /** Notes the person who acts. */
  accompanied(actorToken: VerifiedToken): void {
    this.#actorToken = actorToken
  }

  decided(decision: Decision, question: QuestionFacts | undefined): void {
    this.#decision = decision
    this.#question = question
  }

  exchanged(exchanged: Exchanged): void {
    this.#exchanged = exchanged
  }

  /** A Transaction Token came along, or was issued to go along. */
  inTransaction({ tokenId, fingerprint }: TransactionFacts): void {
    this.#transaction = { tokenId, fingerprint }
  }

  delivered(delivery: Delivery): void {
    this.#delivery = delivery
    this.#status = delivery.status
  }

  refused(refusal: Refusal): void {
    this.#refusal = refusal
    this.#status = refusals[refusal.code].status
  }

  /** When the request arrived, on the monotonic clock. */
  get arrivedMs(): number {
    return this.#arrivedMs
  }

  /** The request's id, as the caller is told it; undefined before the request is admitted. */
  get requestId(): string | undefined {
    return this.#admitted?.requestId
  }

  /** The event that tells all this. */
  finish(): AuditEvent {
    const admitted = this.#admitted
    const id = nextEventId(this.#at)
    return {
      id,
      at: this.#at,
      requestId: admitted?.requestId ?? id,
      traceId: admitted?.traceId,
      traceparent: admitted?.traceparent,
      route: admitted?.route.id,
      method: this.#arrival.method,
      path: redactPath(admitted?.path ?? pathOf(this.#arrival.target)),
      peer: this.#arrival.peer,
      outcome: this.#outcome(),
      status: this.#status,
      refusal: this.#refusal?.code,
      detail: this.#refusal?.detail,
      inbound: this.#token && inboundFacts(this.#token),
      outbound: this.#exchanged && outboundFacts(this.#exchanged.token, this.#exchanged.source),
      transaction: this.#transaction,
      person: this.#actorToken && personFacts(this.#actorToken),
      caseId: admitted?.caseId,
      decision: this.#decision && decisionFacts(this.#decision, this.#question),
      delivery: this.#delivery,
      stageMs: this.#stageMs,
    }
  }

  #outcome(): AuditEvent['outcome'] {
    if (this.#refusal === undefined) return this.#delivery?.complete === true ? 'forwarded' : 'failed'
    const { status } = refusals[this.#refusal.code]
    if (status < 300) return 'answered'
    return status < 500 ? 'refused' : 'failed'
  }
}

function inboundFacts(token: VerifiedToken): InboundFacts {
  return {
    issuer: token.issuer,
    subject: token.subject,
    clientId: token.clientId,
    kind: subjectKind(token),
    actors: actorSubjects(token.actor),
    scope: formatScope(token.scope),
    tokenId: token.tokenId,
    fingerprint: token.fingerprint,
  }
}

function personFacts({ issuer, subject, tokenId, fingerprint }: VerifiedToken): PersonFacts {
  return { issuer, subject, tokenId, fingerprint }
}

function outboundFacts(token: IssuedToken, source: TokenSource): OutboundFacts {
  return {
    audience: token.audience,
    actors: token.actors,
    scope: formatScope(token.scope),
    source,
    tokenId: token.tokenId,
    fingerprint: token.fingerprint,
    expiresAt: token.expiresAt,
  }
}

/** What stands in the record for a target that was not admitted, without its query and without user information. */
function pathOf(target: string): string {
  const end = target.search(/[?#]/)
  const path = end === -1 ? target : target.slice(0, end)
  return path.replace(userInformation, '$1').slice(0, 2_048)
}

/** Up to the last `@` of the authority, of an absolute-form target or of CONNECT's. */
const userInformation = /^([a-z][a-z0-9+.-]*:\/\/)?[^/]*@/i

/** Someone who puts a token into a path must not find it in the audit trail: JWT headers begin with `eyJ`. */
function redactPath(path: string): string {
  return path.includes('eyJ') ? path.replace(/eyJ[^/]*/g, '[redacted]') : path
}
