import { inspect } from 'node:util'

/**
 * A token, password or key that must be opened on purpose. It prints as `[secret]` in template strings, JSON and
 * `util.inspect`, so that no log line, audit record or error message can carry it by accident.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The bare value. The files that may call this are listed in `test/unit/architecture.test.ts`. */
  expose(): string {
    return this.#value
  }

  /** Whether the other holds the same value. Takes longer the more of it is the same: not for what callers present. */
  equals(other: Secret): boolean {
    return this.#value === other.#value
  }

  /** Whether a text holds the value. Asking costs next to nothing for a shorter text. */
  isIn(text: string): boolean {
    return text.length >= this.#value.length && text.includes(this.#value)
  }

  /** How many characters the value has, for memory accounting. */
  get length(): number {
    return this.#value.length
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
