import { fail, type Result } from '../base/result.ts'
import { findKey, type KeyIndex, readKeyIndex } from '../tokens/key-index.ts'
import type { KeyFailure, KeySet } from '../tokens/key-set.ts'
import type { UsableKey } from '../tokens/verify-signature.ts'
import type { Signer } from './signer.ts'
import { type PublicSigningJwk, signingAlgorithms } from './signing-keys.ts'

const rules = { algorithms: signingAlgorithms, maxKeys: Number.POSITIVE_INFINITY }

/**
 * The published keys of a signer in this process, as they are at each moment: a key that was withdrawn verifies nothing
 * from then on, tokens that it verified before included.
 */
export class SignerKeys implements KeySet {
  readonly #signer: Signer
  #published: readonly PublicSigningJwk[] | undefined
  #index: KeyIndex | undefined

  constructor(signer: Signer) {
    this.#signer = signer
  }

  find(algorithm: string, keyId: string | undefined): Result<UsableKey, KeyFailure> {
    const index = this.#current()
    return index === undefined ? fail('unavailable') : findKey(index, algorithm, keyId)
  }

  holds(key: UsableKey): boolean {
    return this.#current()?.keys.has(key) ?? false
  }

  isAvailable(): boolean {
    return true
  }

  async warm(): Promise<void> {}

  close(): void {}

  #current(): KeyIndex | undefined {
    const published = this.#signer.publicKeys()
    if (published !== this.#published) {
      const index = readKeyIndex({ keys: published }, rules, this.#index)
      this.#published = published
      this.#index = index.ok ? index.value : undefined
    }
    return this.#index
  }
}
