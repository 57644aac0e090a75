import type { Clock } from '../../base/clock.ts'
import { LruMap } from '../../base/lru-map.ts'
import { fail, type MaybePromise, ok, type Result } from '../../base/result.ts'
import { type Flight, SingleFlight } from '../../base/single-flight.ts'
import { withDeadline } from '../../base/with-deadline.ts'
import type { TokenRequest } from '../../model/exchange-request.ts'
import type { Exchanged } from '../../model/issued-token.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import { type CacheKey, type CacheKeyContext, cacheKey } from './cache-key.ts'
import type { Exchanger } from './exchangers/exchanger.ts'
import type { LayeredCache } from './layered-cache.ts'
import { machineKey } from './machine-key.ts'
import { NegativeAnswers } from './negative-answers.ts'

export interface ExchangeDependencies {
  readonly cache: LayeredCache
  readonly exchanger: Exchanger
  /** Client, server and policy, which every key depends on: the same object for as long as they are the same. */
  readonly context: () => CacheKeyContext
  /** One exchange, with everything it waits for, ends within this time. */
  readonly timeoutMs: number
  /** How long a `no` of the authorization server is remembered; 0 turns it off. */
  readonly negativeSeconds: number
  readonly clock: Clock
}

/**
 * The exchange stage: the token that may be forwarded for a permitted request.
 *
 * Contract: answers at once (not a promise) when memory has the token or a remembered refusal; otherwise callers of the
 * same key share one exchange, which ends within its time and which no caller can cancel for the others. Never
 * answers the subject token.
 */
export interface Exchange {
  (request: TokenRequest): MaybePromise<Result<Exchanged, Refusal>>
  /**
   * Drops the request's token from every tier, because upstream answered 401 to it. Also what an exchange that is
   * under way will bring is then not kept. At most once per key in ten seconds, so that an upstream that refuses
   * everything does not turn every request into an exchange.
   */
  evict(request: TokenRequest): void
}

const evictCoolDownMs = 10_000
const maxEvictions = 10_000

/** Builds the stage. */
export function createExchange(dependencies: ExchangeDependencies): Exchange {
  const { cache, exchanger, context, timeoutMs, negativeSeconds, clock } = dependencies
  const keys = new WeakMap<TokenRequest, { readonly key: CacheKey; readonly context: CacheKeyContext }>()
  const flights = new SingleFlight<Result<Exchanged, Refusal>>()
  const negatives = new NegativeAnswers(negativeSeconds)
  const evictedAtMs = new LruMap<number>({ maxEntries: maxEvictions })

  /** Requests are made once per token and route, so the digest is computed once for many hops. */
  const keyOf = (request: TokenRequest): CacheKey => {
    const current = context()
    const known = keys.get(request)
    if (known?.context === current) return known.key
    const key = request.mode === 'machine' ? machineKey(request, current) : cacheKey(request, current)
    keys.set(request, { key, context: current })
    return key
  }

  /** Dual identity takes two tokens, and both must be there. */
  const exchange = (request: TokenRequest): MaybePromise<Result<Exchanged, Refusal>> => {
    if (request.mode !== 'machine' || request.transaction === undefined) return exchangeOne(request)
    const own = exchangeOne(request)
    const context = exchangeOne(request.transaction)
    if (!(own instanceof Promise) && !(context instanceof Promise)) return joinTokens(own, context)
    return Promise.all([own, context]).then(([machine, transaction]) => joinTokens(machine, transaction))
  }

  const exchangeOne = (request: TokenRequest): MaybePromise<Result<Exchanged, Refusal>> => {
    const key = keyOf(request)
    const now = clock.now()
    const token = cache.peek(key, now)
    if (token !== undefined) return ok({ token, source: 'memory' })
    if (now >= request.notAfter) {
      return fail(refusal('exchange.subject_rejected', 'the subject token has ended'))
    }
    const refused = negatives.get(key.id, clock.monotonicMs())
    if (refused !== undefined) return fail(refused)
    const { result, joined } = flights.do(key.id, flight => obtain(request, key, flight))
    return joined ? result.then(asJoined) : result
  }

  const obtain = async (
    request: TokenRequest,
    key: CacheKey,
    flight: Flight,
  ): Promise<Result<Exchanged, Refusal>> => {
    const startedMs = performance.now()
    const found = await cache.find(key, clock.now())
    if (found !== undefined && flight.isCurrent()) return ok(found)
    const leftMs = Math.max(0, timeoutMs - (performance.now() - startedMs))
    // The exchanger ends with the signal by its contract; a flight that never ended would block its key for good.
    const issued =
      (await withDeadline(leftMs, signal => exchanger.exchange(request, signal))) ??
      fail(refusal('exchange.unavailable', 'the exchange took too long'))
    if (!issued.ok) {
      if (flight.isCurrent()) negatives.note(key.id, issued.error, clock.monotonicMs())
      return issued
    }
    // What was made while the context became another may be good in neither.
    if (flight.isCurrent() && keyOf(request) === key) cache.set(key, issued.value, clock.now())
    return ok({ token: issued.value, source: 'issued' })
  }

  const evict = (request: TokenRequest): void => {
    if (request.mode === 'machine' && request.transaction !== undefined) evict(request.transaction)
    const { id } = keyOf(request)
    const nowMs = clock.monotonicMs()
    const lastMs = evictedAtMs.get(id)
    if (lastMs !== undefined && nowMs - lastMs < evictCoolDownMs) return
    evictedAtMs.set(id, nowMs)
    flights.forget(id)
    negatives.forget(id)
    void cache.delete(keyOf(request))
  }

  return Object.assign(exchange, { evict })
}

/** The own token's source is the one that is recorded. */
function joinTokens(
  own: Result<Exchanged, Refusal>,
  context: Result<Exchanged, Refusal>,
): Result<Exchanged, Refusal> {
  if (!own.ok) return own
  return context.ok ? ok({ ...own.value, transaction: context.value.token }) : context
}

function asJoined(result: Result<Exchanged, Refusal>): Result<Exchanged, Refusal> {
  if (!result.ok || result.value.source !== 'issued') return result
  return ok({ token: result.value.token, source: 'joined' })
}
