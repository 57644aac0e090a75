import type { EpochSeconds } from '../base/clock.ts'

/**
 * Remembers what may be used once, such as the `jti` of a client assertion.
 *
 * Contract, run on every implementation by `test/contract/replay-store.test.ts`: of all calls with one key, however
 * concurrent, the first answers true and every other false until `expiresAt`; a key that has expired on arrival
 * answers false; two keys never count as one. A store that cannot know rejects, and the caller refuses.
 */
export interface ReplayStore {
  /** @throws ReplayStoreError */
  use(key: string, expiresAt: EpochSeconds): Promise<boolean>
  close(): Promise<void>
}

/** The store cannot say whether a key was used. The message holds neither the key nor an address. */
export class ReplayStoreError extends Error {
  override readonly name = 'ReplayStoreError'
}
