/** A body up to this size is kept until there is a response, so that it can be sent again. */
const mostKeptBytes = 64 * 1_024

/**
 * What was handed over of a request body, as long as it is small: a stream that upstream has not processed
 * (RFC 9113 §8.7) is then sent again, whatever its method.
 */
export class KeptBody {
  #pieces: Buffer[] = []
  #bytes = 0
  #isWhole = true

  /** Whether all that was handed over is here. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  keep(piece: Buffer): void {
    if (!this.#isWhole) return
    this.#bytes += piece.length
    if (this.#bytes > mostKeptBytes) this.drop()
    else this.#pieces.push(piece)
  }

  /** Lets go of everything: it will not be sent again. */
  drop(): void {
    this.#isWhole = false
    this.#pieces = []
  }
}
