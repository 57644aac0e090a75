import type { Log } from '../base/log.ts'
import { fail, type Result } from '../base/result.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import { findKey, type KeyIndex, readKeyIndex } from './key-index.ts'
import type { KeyFailure, KeySet, KeySetOptions } from './key-set.ts'
import type { UsableKey } from './verify-signature.ts'

/** Keys that stand in the configuration. They change only with it. */
export class InlineKeys implements KeySet {
  readonly #index: KeyIndex | undefined

  constructor(rules: IssuerRules, jwks: unknown, log: Log, options: KeySetOptions) {
    const { issuer, algorithms } = rules
    const index = readKeyIndex(jwks, { algorithms, maxKeys: options.maxKeys, use: options.use })
    if (index.ok) this.#index = index.value
    else log.error('configured keys not usable', { issuer, reason: index.error })
    if (index.ok && index.value.ignored.length > 0) {
      log.warn('configured keys ignored', { issuer, ignored: index.value.ignored })
    }
  }

  find(algorithm: string, keyId: string | undefined): Result<UsableKey, KeyFailure> {
    return this.#index === undefined ? fail('unavailable') : findKey(this.#index, algorithm, keyId)
  }

  holds(key: UsableKey): boolean {
    return this.#index?.keys.has(key) ?? false
  }

  isAvailable(): boolean {
    return this.#index !== undefined
  }

  async warm(): Promise<void> {}

  close(): void {}
}
