import { channels } from '../base/channels.ts'
import type { EpochSeconds } from '../base/clock.ts'
import { fail } from '../base/result.ts'
import type { RateLimit, StsClient } from '../config/sidecar-config.ts'
import type { AuthenticateClient } from './client-authentication.ts'
import { tokenError } from './token-error.ts'

/** Half a microsecond, which is what sums of epoch times are good for. */
const roundingSeconds = 5e-7

/**
 * Bounds the requests of each client, over all endpoints together: `requests` at once, and as many again in each `per`,
 * one by one. It counts clients that were authenticated, so nobody uses up what is another's; who fails to authenticate
 * meets the throttle of failures before. One more is answered 429 with `Retry-After` and, since RFC 6749 has no word for
 * it, `temporarily_unavailable`. Each process counts for itself: the bound over all replicas is the bound times their
 * number. Announces each refusal on `channels.clientLimited`.
 */
export function limitClients(
  authenticate: AuthenticateClient,
  clients: Iterable<StsClient>,
): AuthenticateClient {
  const limits = new Map<string, RateLimit>()
  for (const { id, rateLimit } of clients) {
    if (rateLimit !== undefined) limits.set(id, rateLimit)
  }
  /** For each client, when all of its requests will be there again. */
  const fullAt = new Map<string, EpochSeconds>()
  /** Takes one request; undefined when it was there, otherwise in how many seconds it will be. */
  const take = (id: string, { requests, perSeconds }: RateLimit, now: EpochSeconds): number | undefined => {
    const latest = now + perSeconds
    // A clock that was set back shuts nobody out for longer than one period.
    const before = Math.min(Math.max(fullAt.get(id) ?? now, now), latest)
    const after = before + perSeconds / requests
    const isThere = after <= latest + roundingSeconds
    fullAt.set(id, isThere ? after : before)
    return isThere ? undefined : Math.max(1, Math.ceil(after - latest - roundingSeconds))
  }
  return async request => {
    const authenticated = await authenticate(request)
    if (!authenticated.ok) return authenticated
    const { id } = authenticated.value
    const limit = limits.get(id)
    const retryAfterSeconds = limit && take(id, limit, request.now)
    if (retryAfterSeconds === undefined) return authenticated
    channels.clientLimited.publish({ client: id })
    const error = tokenError('temporarily_unavailable', 'too many requests', 'rate limit of the client')
    return fail({ error: { ...error, status: 429, retryAfterSeconds }, claimedClient: id })
  }
}
