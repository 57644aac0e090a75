import type { Clock, EpochSeconds } from '../base/clock.ts'
import { sha256Base64Url } from '../base/digest.ts'
import { LruMap } from '../base/lru-map.ts'
import { fail, type MaybePromise, ok, type Result } from '../base/result.ts'
import { SingleFlight } from '../base/single-flight.ts'
import type { JsonObject } from '../base/strict-json.ts'
import type { IntrospectionConfig, IssuerRules } from '../config/sidecar-config.ts'
import type { Refusal } from '../model/refusal.ts'
import type { IntrospectionEndpoint } from './introspection-endpoint.ts'
import type { MemoryBounds } from './token-memory.ts'

/** An issuer that can be asked about its tokens. */
export interface AskedIssuer {
  readonly rules: IssuerRules
  readonly config: IntrospectionConfig
  readonly endpoint: IntrospectionEndpoint
}

/** What an issuer said of a token, as long as it is used. One object for each time that it was asked. */
export interface IntrospectionAnswer {
  readonly issuer: AskedIssuer
  /** undefined: the token is not active. */
  readonly claims: JsonObject | undefined
}

interface Kept {
  readonly answer: IntrospectionAnswer
  readonly bytes: number
  /** On the monotonic clock, counted from the question. */
  readonly untilMs: number
}

const maxInactive = 10_000

/**
 * Asks issuers about tokens, and uses each answer as long as its issuer's rules say: one that a token is active not
 * beyond the token's `exp`. Callers that ask about the same token at the same time share one question. That nobody could
 * be asked is never kept.
 *
 * An answer is kept under a digest of exactly the token that was asked about, so that a token with something cut off or
 * added is another one; and those about tokens that are not active are kept apart, so that made-up tokens push nothing
 * else out.
 */
export class IntrospectionAnswers {
  readonly #clock: Clock
  readonly #active: LruMap<Kept>
  readonly #inactive = new LruMap<Kept>({ maxEntries: maxInactive })
  readonly #flights = new SingleFlight<Result<IntrospectionAnswer, Refusal>>()

  constructor(clock: Clock, { maxEntries, maxBytes }: MemoryBounds) {
    this.#clock = clock
    this.#active = new LruMap({ maxEntries, sizes: { maxBytes, sizeOf: ({ bytes }) => bytes } })
  }

  /** The answer about a token that is still of use; undefined when the issuer has to be asked. */
  recall(presented: string, now: EpochSeconds): IntrospectionAnswer | undefined {
    return this.#recall(keyOf(presented), now)
  }

  /** Like {@link recall}, and asks when it has to. */
  find(
    presented: string,
    issuer: AskedIssuer,
    now: EpochSeconds,
  ): MaybePromise<Result<IntrospectionAnswer, Refusal>> {
    const key = keyOf(presented)
    const known = this.#recall(key, now)
    if (known !== undefined) return ok(known)
    return this.#flights.do(key, () => this.#ask(presented, issuer, key)).result
  }

  #recall(key: string, now: EpochSeconds): IntrospectionAnswer | undefined {
    const kept = this.#active.get(key) ?? this.#inactive.get(key)
    if (kept === undefined) return undefined
    if (this.#clock.monotonicMs() < kept.untilMs && !hasEnded(kept.answer, now)) return kept.answer
    this.#active.delete(key)
    this.#inactive.delete(key)
    return undefined
  }

  async #ask(
    presented: string,
    issuer: AskedIssuer,
    key: string,
  ): Promise<Result<IntrospectionAnswer, Refusal>> {
    const { cacheMs, negativeMs } = issuer.config
    const askedMs = this.#clock.monotonicMs()
    const answered = await issuer.endpoint.ask(presented)
    if (!answered.ok) return fail(answered.error)
    const { claims, bytes } = answered.value
    const answer = { issuer, claims }
    if (claims === undefined) this.#inactive.set(key, { answer, bytes, untilMs: askedMs + negativeMs })
    else this.#active.set(key, { answer, bytes: overheadBytes + bytes, untilMs: askedMs + cacheMs })
    return ok(answer)
  }
}

/** The objects around what is kept of an answer, roughly; its text as objects is larger, too. */
const overheadBytes = 2048

/** Whether the token has ended meanwhile, by what the answer says. Whether that is a time at all is for others. */
function hasEnded({ claims }: IntrospectionAnswer, now: EpochSeconds): boolean {
  const expiresAt = claims?.['exp']
  return typeof expiresAt === 'number' && now >= expiresAt
}

function keyOf(presented: string): string {
  return sha256Base64Url(presented)
}
