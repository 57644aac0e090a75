import type { EpochSeconds } from '../base/clock.ts'
import type { TokenMark } from './lineage.ts'

/**
 * Remembers which tokens were revoked, for as long as they would live.
 *
 * Contract, run on every implementation by `test/contract/revocation-store.test.ts`: once `revoke` has resolved, every
 * `isRevoked` that names the mark, among others or alone, answers true until `expiresAt`; a mark that was not revoked
 * never makes it true. A store that cannot know rejects, and the caller refuses.
 */
export interface RevocationStore {
  /**
   * @param expiresAt from then on nobody accepts the token, nor any that was exchanged from it
   * @throws RevocationStoreError when it is not certain that the mark is kept
   */
  revoke(mark: TokenMark, expiresAt: EpochSeconds): Promise<void>
  /**
   * Whether one of the marks was revoked.
   *
   * @throws RevocationStoreError
   */
  isRevoked(marks: readonly TokenMark[]): Promise<boolean>
  close(): Promise<void>
}

/** The store cannot say or keep what was revoked. The message holds neither a mark nor an address. */
export class RevocationStoreError extends Error {
  override readonly name = 'RevocationStoreError'
}
