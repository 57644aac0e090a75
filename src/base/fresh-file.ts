import { type BigIntStats, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { fail, type MaybePromise, ok, type Result } from './result.ts'

export interface FreshFileOptions<T> {
  /** Names the file in errors, such as `client key`. */
  readonly name: string
  readonly maxBytes: number
  /** The error says what is wrong, and nothing of the content. */
  readonly parse: (content: Buffer) => MaybePromise<Result<T, string>>
}

/**
 * A small file that others replace. It is looked at each time and read again when it is another file or has changed.
 * There is no falling back on what it held before: what was taken away is not used.
 */
export class FreshFile<T> {
  readonly #file: string
  readonly #options: FreshFileOptions<T>
  #loaded: { readonly identity: string; readonly value: T } | undefined

  constructor(file: string, options: FreshFileOptions<T>) {
    this.#file = file
    this.#options = options
  }

  /** What the file holds now. The error names the file and the reason. */
  async read(): Promise<Result<T, string>> {
    const { maxBytes, parse } = this.#options
    try {
      // At once: this is part of every exchange, and a hand-over to the thread pool costs ten times what the look does.
      if (this.#loaded?.identity === identityOf(statSync(this.#file, { bigint: true }))) {
        return ok(this.#loaded.value)
      }
      const handle = await open(this.#file, 'r')
      try {
        const facts = await handle.stat({ bigint: true })
        if (!facts.isFile()) return this.#fail('it is not a regular file')
        if (facts.size > maxBytes) return this.#fail(`it is larger than ${maxBytes} bytes`)
        const identity = identityOf(facts)
        const parsed = await parse(await handle.readFile())
        if (!parsed.ok) return this.#fail(parsed.error)
        this.#loaded = { identity, value: parsed.value }
        return parsed
      } finally {
        await handle.close()
      }
    } catch (cause) {
      return this.#fail(cause instanceof Error && 'code' in cause ? String(cause.code) : 'it cannot be read')
    }
  }

  #fail(reason: string): Result<never, string> {
    this.#loaded = undefined
    return fail(`${this.#options.name} ${this.#file}: ${reason}`)
  }
}

/** Changes with the file, its content and who may read it. */
function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
}
