import { LRUCache } from 'lru-cache'

/** What a {@link LruMap} may hold. */
export interface LruBounds<V> {
  readonly maxEntries: number
  /** Bounds the sum of all sizes too. An entry that is larger alone is not kept. */
  readonly sizes?: { readonly maxBytes: number; readonly sizeOf: (value: V, key: string) => number }
}

/**
 * A bounded map that forgets the least recently used entry first. Its first entry makes it: the library takes the
 * memory for all entries at once, which would cost milliseconds at the start for maps that mostly stay empty.
 */
export class LruMap<V extends {}> {
  readonly #options: LRUCache.Options<string, V, unknown>
  #entries: LRUCache<string, V> | undefined

  constructor({ maxEntries, sizes }: LruBounds<V>) {
    this.#options = {
      max: maxEntries,
      ...(sizes && { maxSize: sizes.maxBytes, sizeCalculation: sizes.sizeOf }),
    }
  }

  get size(): number {
    return this.#entries?.size ?? 0
  }

  /** The sum of all sizes; 0 without `sizes`. */
  get bytes(): number {
    return this.#entries?.calculatedSize ?? 0
  }

  get(key: string): V | undefined {
    return this.#entries?.get(key)
  }

  set(key: string, value: V): void {
    this.#entries ??= new LRUCache(this.#options)
    this.#entries.set(key, value)
  }

  delete(key: string): void {
    this.#entries?.delete(key)
  }
}
