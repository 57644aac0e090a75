import type {
  ResponseHandler,
  UpstreamCall,
  UpstreamClient,
  UpstreamRequest,
} from '../../src/hop/forward/upstream-client.ts'
import type { Refusal } from '../../src/model/refusal.ts'
import { until } from './until.ts'

/** What an upstream client handed over, in order; what breaks the order of its contract throws. */
export class RecordedResponse implements ResponseHandler {
  readonly interim: { readonly status: number; readonly fields: readonly string[] }[] = []
  status = 0
  phrase = ''
  fields: readonly string[] = []
  trailers: readonly string[] = []
  failure: Refusal | undefined
  /** Calls of `onPause`. */
  pauses = 0
  bytes = 0
  isEnded = false
  isReturned = false
  /** Called with every piece of the body. */
  onPiece: (piece: Buffer) => void = () => {}
  readonly #pieces: Buffer[] = []

  get text(): string {
    return this.body.toString('latin1')
  }

  get body(): Buffer {
    return Buffer.concat(this.#pieces)
  }

  /** Whether nothing more is to come. */
  get isOver(): boolean {
    return this.isEnded || this.failure !== undefined
  }

  /** Values of a field of the response. */
  values(name: string): string[] {
    return this.fields.filter((_, index) => index % 2 === 1 && this.fields[index - 1]?.toLowerCase() === name)
  }

  onInformation(status: number, fields: readonly string[]): void {
    this.#expect(this.status === 0, 'an interim response behind the head')
    this.interim.push({ status, fields })
  }

  onHead(status: number, phrase: string, fields: readonly string[]): void {
    this.#expect(this.status === 0, 'a second head')
    this.status = status
    this.phrase = phrase
    this.fields = fields
  }

  onData(chunk: Buffer): void {
    this.#expect(this.status !== 0 && chunk.length > 0, 'a body without a head, or an empty piece')
    this.bytes += chunk.length
    const piece = Buffer.from(chunk)
    this.#pieces.push(piece)
    this.onPiece(piece)
  }

  onPause(): void {
    this.#expect(true, '')
    this.pauses += 1
  }

  onEnd(trailers: readonly string[]): void {
    this.#expect(this.status !== 0, 'an end without a head')
    this.trailers = trailers
    this.isEnded = true
  }

  onFailure(reason: Refusal): void {
    this.#expect(true, '')
    this.failure = reason
  }

  /** Resolves when the response has ended or failed. */
  async over(timeoutMs = 10_000): Promise<this> {
    await until(() => this.isOver, 'the end of the response', timeoutMs)
    return this
  }

  #expect(holds: boolean, what: string): void {
    if (!this.isReturned) throw new Error('the handler was called before send returned')
    if (this.isOver) throw new Error('the handler was called after the end')
    if (!holds) throw new Error(what)
  }
}

/** Sends a request and records what comes of it. */
export function sendRecorded(
  client: UpstreamClient,
  about: Partial<UpstreamRequest> = {},
  recorded = new RecordedResponse(),
): { readonly recorded: RecordedResponse; readonly call: UpstreamCall } {
  const request = {
    method: 'GET',
    target: '/',
    fields: ['Host', 'orders.test'],
    body: undefined,
    acceptsTrailers: false,
    announcesTrailers: false,
  }
  const call = client.send({ ...request, ...about }, recorded)
  recorded.isReturned = true
  return { recorded, call }
}
