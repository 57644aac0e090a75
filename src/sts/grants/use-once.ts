import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { type ReplayStore, ReplayStoreError } from '../replay-store.ts'
import { type TokenError, tokenError } from '../token-error.ts'

/**
 * Counts something as used that is good once, over all replicas.
 *
 * @param key what it is, unambiguously
 * @param expiresAt from then on nobody accepts it anyway
 * @param used the error when it was used before
 */
export async function useOnce(
  replay: ReplayStore,
  key: readonly string[],
  expiresAt: EpochSeconds,
  used: TokenError,
): Promise<Result<void, TokenError>> {
  try {
    return (await replay.use(JSON.stringify(key), expiresAt)) ? ok(undefined) : fail(used)
  } catch (cause) {
    if (!(cause instanceof ReplayStoreError)) throw cause
    return fail(tokenError('temporarily_unavailable', 'try again', cause.message))
  }
}
