import { request } from 'node:http'
import { Duplex } from 'node:stream'
import { ResponseParser } from '../../src/hop/forward/http1/response-parser.ts'
import type { ResponseHandler } from '../../src/hop/forward/upstream-client.ts'

/** What a reader makes of the bytes of a connection, up to the end of one response. */
export interface Reading {
  /** `broken` is a response that has not ended when the connection does. */
  readonly outcome: 'whole' | 'broken' | 'refused'
  /** Statuses of interim responses other than 100. */
  readonly interim: readonly number[]
  readonly status: number | undefined
  readonly phrase: string | undefined
  readonly fields: readonly string[]
  /** As Latin-1. */
  readonly body: string
  readonly trailers: readonly string[]
  /** Why it was refused. */
  readonly reason?: string | undefined
}

/** Each character as the byte of its code. */
export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Cuts bytes at the given places; those outside and repeated ones make no difference. */
export function splitAt(bytes: Buffer, places: Iterable<number>): Buffer[] {
  const inside = [...new Set(places)].filter(place => place > 0 && place < bytes.length)
  const ends = [...inside.toSorted((one, other) => one - other), bytes.length]
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

/** Keeps what is handed over; throws when the order of the calls breaks the contract. */
export class KeptResponse implements ResponseHandler {
  readonly interim: number[] = []
  status: number | undefined
  phrase: string | undefined
  fields: readonly string[] = []
  body = ''
  pieces = 0

  onInformation(status: number): void {
    if (this.status !== undefined) throw new Error('an interim response behind the head')
    this.interim.push(status)
  }

  onHead(status: number, phrase: string, fields: readonly string[]): void {
    if (this.status !== undefined) throw new Error('a second head')
    this.status = status
    this.phrase = phrase
    this.fields = fields
  }

  onData(chunk: Buffer): void {
    if (this.status === undefined || chunk.length === 0) throw new Error('no head before it, or no data')
    this.body += chunk.toString('latin1')
    this.pieces += 1
  }

  onPause(): void {
    throw new Error('not for the parser to say')
  }

  onEnd(): void {
    throw new Error('not for the parser to say')
  }

  onFailure(): void {
    throw new Error('not for the parser to say')
  }
}

/** All reads of a connection go into one buffer, which holds what was read before. */
const readBuffer = Buffer.alloc(64 * 1_024, 'HTTP/1.1 200 OK\r\n0\r\n\r\n')

/**
 * Reads bytes as the upstream client does.
 *
 * @param pieces what comes with each read, the end of the connection behind it
 */
export function readByUs(pieces: readonly Buffer[], isHead = false): Reading & { readonly rest: number } {
  const kept = new KeptResponse()
  const parser = new ResponseParser()
  parser.begin(kept, isHead)
  let progress: string = 'more'
  let rest = 0
  for (const piece of pieces) {
    if (progress !== 'more') {
      rest += piece.length
      continue
    }
    piece.copy(readBuffer)
    progress = parser.read(readBuffer, piece.length)
    // What was handed over must not live in the buffer.
    readBuffer.fill('*', 0, piece.length)
    if (progress === 'end') rest = parser.rest
  }
  if (progress === 'more') progress = parser.readEnd() === 'end' ? 'end' : 'broken'
  const outcome = progress === 'end' ? 'whole' : progress === 'malformed' ? 'refused' : 'broken'
  const { interim, status, phrase, fields, body } = kept
  const trailers = outcome === 'whole' ? parser.trailers : []
  const reason = outcome === 'refused' && { reason: parser.reason }
  return { outcome, interim, status, phrase, fields, body, trailers, rest, ...reason }
}

/** Reads bytes as Node's own client does, with its strict parser and the same limit of a head. */
export function readByNode(bytes: Buffer, isHead = false): Promise<Reading> {
  const connection = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const outgoing = request({
    method: isHead ? 'HEAD' : 'GET',
    maxHeaderSize: 64 * 1_024,
    insecureHTTPParser: false,
    createConnection: () => connection,
  })
  return new Promise(resolve => {
    const interim: number[] = []
    const pieces: Buffer[] = []
    let head: Pick<Reading, 'status' | 'phrase' | 'fields'> = {
      status: undefined,
      phrase: undefined,
      fields: [],
    }
    let trailers: readonly string[] = []
    let reason: string | undefined
    let isWhole = false
    const finish = (): void => {
      const outcome = reason?.startsWith('HPE_') ? 'refused' : isWhole ? 'whole' : 'broken'
      const body = Buffer.concat(pieces).toString('latin1')
      resolve({ outcome, interim, ...head, body, trailers, ...(outcome === 'refused' && { reason }) })
    }
    outgoing.on('information', ({ statusCode }) => {
      if (statusCode !== 100) interim.push(statusCode)
    })
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      reason ??= error.code ?? error.message
    })
    outgoing.on('upgrade', () => {
      reason ??= 'HPE_ an upgrade that nobody asked for'
      connection.destroy()
    })
    outgoing.on('response', answer => {
      head = {
        status: answer.statusCode,
        phrase: answer.statusMessage,
        fields: answer.rawHeaders,
      }
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('error', () => {})
      answer.on('end', () => {
        isWhole = answer.complete
        trailers = answer.rawTrailers
      })
    })
    outgoing.on('close', () => setImmediate(finish))
    outgoing.end()
    connection.push(bytes)
    connection.push(null)
  })
}
