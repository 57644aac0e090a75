import type { Clock } from '../../base/clock.ts'
import { createSigner, type ReplaceableSigner, type Signer } from '../../sts/signer.ts'
import { parseSigningKeys } from '../../sts/signing-keys.ts'

interface Handed {
  readonly text: string
  readonly signer: ReplaceableSigner
}

/** The signing keys that the primary has handed over to a worker, by the file that they are from. */
export class HandedKeys {
  readonly #clock: Clock
  readonly #handed = new Map<string | undefined, Handed>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @throws Error when the keys of the file were not handed over */
  signerOf(file: string | undefined): Signer {
    const handed = this.#handed.get(file)
    if (handed === undefined) throw new Error('the keys of the token service were not handed over')
    return handed.signer
  }

  /**
   * Takes the keys of a file as a private JWK set. Who signs with that file's keys signs with these from then on.
   *
   * @returns takes it back
   */
  take(file: string | undefined, text: string): () => void {
    const before = this.#handed.get(file)
    if (before?.text === text) return () => {}
    const keys = parseSigningKeys(text)
    const signer = before?.signer ?? createSigner(keys, this.#clock)
    const keysBefore = signer.keys()
    signer.replace(keys)
    this.#handed.set(file, { text, signer })
    return () => {
      signer.replace(keysBefore)
      if (before === undefined) this.#handed.delete(file)
      else this.#handed.set(file, before)
    }
  }
}
