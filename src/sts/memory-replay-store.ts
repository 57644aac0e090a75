import type { Clock, EpochSeconds } from '../base/clock.ts'
import { type ReplayStore, ReplayStoreError } from './replay-store.ts'

/**
 * A replay store for one process. It never forgets a key before its time: when `maxEntries` keys are alive, it
 * rejects instead.
 */
export function createMemoryReplayStore(clock: Clock, maxEntries = 100_000): ReplayStore {
  const expiries = new Map<string, EpochSeconds>()
  const sweep = (now: EpochSeconds): void => {
    for (const [key, expiresAt] of expiries) {
      if (expiresAt <= now) expiries.delete(key)
    }
  }
  return {
    async use(key, expiresAt) {
      const now = clock.now()
      if (expiresAt <= now) return false
      const used = expiries.get(key)
      if (used !== undefined && used > now) return false
      if (expiries.size >= maxEntries) sweep(now)
      if (expiries.size >= maxEntries) throw new ReplayStoreError('the memory of used ids is full')
      expiries.set(key, expiresAt)
      return true
    },
    close: async () => expiries.clear(),
  }
}
