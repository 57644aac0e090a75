/** Changes of a configuration, until somebody handles them and then. */
export interface ConfigChanges {
  notice(): void
  /** Handles what was noticed before, once, and then each notice. */
  handle(handler: () => void): void
}

/** Collects notices. To be watched before it is read: what changes while a process starts is applied when it has started. */
export function collectChanges(): ConfigChanges {
  let handler: (() => void) | undefined
  let isPending = false
  return {
    notice() {
      if (handler === undefined) isPending = true
      else handler()
    },
    handle(next) {
      handler = next
      if (isPending) next()
    },
  }
}
