import { isSameSection } from './same-section.ts'

/** Something that was made, with everything that it owns. */
export interface Made<T> {
  readonly part: T
  /** Closes what the part owns, the last first. */
  readonly owned: AsyncDisposableStack
}

/** Makes something that owns others. When it cannot be made, what it owned by then is closed, and the error thrown. */
export function makeOwning<T>(make: (owned: AsyncDisposableStack) => T): Made<T> {
  const owned = new AsyncDisposableStack()
  try {
    return { part: make(owned), owned }
  } catch (cause) {
    // Why it could not be made is what the caller has to hear, not what went wrong afterwards.
    owned.disposeAsync().catch(() => {})
    throw cause
  }
}

/**
 * A part that configurations share as long as the section that it is made of stays the same. It is closed when nobody
 * uses it any more.
 */
export class SharedPart<T> {
  readonly #parts = new Set<Made<T> & { readonly section: unknown; users: number }>()

  /**
   * The part of a section, made when there is none.
   *
   * @param user uses the part until it is disposed of
   * @throws what `make` throws
   */
  use(section: unknown, user: AsyncDisposableStack, make: (owned: AsyncDisposableStack) => T): T {
    let shared = [...this.#parts].find(one => isSameSection(one.section, section))
    if (shared === undefined) {
      shared = { ...makeOwning(make), section, users: 0 }
      this.#parts.add(shared)
    }
    const used = shared
    used.users += 1
    user.defer(async () => {
      used.users -= 1
      if (used.users > 0) return
      this.#parts.delete(used)
      await used.owned.disposeAsync()
    })
    return used.part
  }
}
