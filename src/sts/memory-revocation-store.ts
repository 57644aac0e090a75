import type { Clock, EpochSeconds } from '../base/clock.ts'
import type { TokenMark } from './lineage.ts'
import { type RevocationStore, RevocationStoreError } from './revocation-store.ts'

/**
 * A revocation store for one process, which forgets everything when it ends. It never forgets a mark before its time:
 * when `maxEntries` marks are alive, it rejects further ones.
 */
export function createMemoryRevocationStore(clock: Clock, maxEntries = 100_000): RevocationStore {
  const expiries = new Map<TokenMark, EpochSeconds>()
  const sweep = (now: EpochSeconds): void => {
    for (const [mark, expiresAt] of expiries) {
      if (expiresAt <= now) expiries.delete(mark)
    }
  }
  return {
    async revoke(mark, expiresAt) {
      const now = clock.now()
      if (expiresAt <= now) return
      const known = expiries.get(mark)
      if (known === undefined && expiries.size >= maxEntries) sweep(now)
      if (known === undefined && expiries.size >= maxEntries) {
        throw new RevocationStoreError('the memory of revoked tokens is full')
      }
      expiries.set(mark, Math.max(expiresAt, known ?? expiresAt))
    },
    async isRevoked(marks) {
      const now = clock.now()
      return marks.some(mark => (expiries.get(mark) ?? now) > now)
    },
    close: async () => expiries.clear(),
  }
}
