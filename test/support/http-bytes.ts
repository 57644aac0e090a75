/** One HTTP/1.1 message as it was on the wire. Read leniently: a recorder must not correct what it records. */
export interface HttpMessage {
  readonly startLine: string
  /** Name and value of each field line in order, names as sent. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The body without its chunked coding. */
  readonly body: Buffer
  /** Exactly the bytes of this message. */
  readonly raw: Buffer
}

/** How a message's end is found. `until_close`: a response without a length ends with its connection. */
export type Framing = 'request' | 'response' | 'bodiless' | 'until_close'

/** Every value of a field, name in any case. */
export function headerValues(message: Pick<HttpMessage, 'headers'>, name: string): string[] {
  const wanted = name.toLowerCase()
  return message.headers.filter(([field]) => field.toLowerCase() === wanted).map(([, value]) => value)
}

/** The head of the message at the start of `bytes`, once its empty line has arrived. */
export function readHead(bytes: Buffer): Omit<HttpMessage, 'body'> | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [startLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = lines.map(line => {
    const colon = line.indexOf(':')
    return colon === -1
      ? ([line, ''] as const)
      : ([line.slice(0, colon), line.slice(colon + 1).trim()] as const)
  })
  return { startLine, headers, raw: bytes.subarray(0, end + 4) }
}

/** The message at the start of `bytes`, once all of it has arrived. */
export function readMessage(bytes: Buffer, framing: Framing): HttpMessage | undefined {
  const head = readHead(bytes)
  if (head === undefined) return undefined
  const rest = bytes.subarray(head.raw.length)
  const body = framing === 'bodiless' ? { body: Buffer.alloc(0), length: 0 } : readBody(rest, head, framing)
  if (body === undefined) return undefined
  return { ...head, body: body.body, raw: bytes.subarray(0, head.raw.length + body.length) }
}

function readBody(
  rest: Buffer,
  head: Pick<HttpMessage, 'headers'>,
  framing: Framing,
): { body: Buffer; length: number } | undefined {
  const coding = headerValues(head, 'transfer-encoding').join(',')
  if (/chunked\s*$/i.test(coding)) return readChunked(rest)
  const length = headerValues(head, 'content-length')[0]
  if (length !== undefined) {
    const size = Number.parseInt(length, 10)
    return rest.length < size ? undefined : { body: rest.subarray(0, size), length: size }
  }
  if (framing === 'response') return undefined
  return framing === 'until_close'
    ? { body: rest, length: rest.length }
    : { body: Buffer.alloc(0), length: 0 }
}

function readChunked(rest: Buffer): { body: Buffer; length: number } | undefined {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(rest.toString('latin1', at, lineEnd), 16)
    if (Number.isNaN(size)) return { body: Buffer.concat(chunks), length: rest.length }
    at = lineEnd + 2
    if (size === 0) break
    if (rest.length < at + size + 2) return undefined
    chunks.push(rest.subarray(at, at + size))
    at += size + 2
  }
  for (;;) {
    const trailerEnd = rest.indexOf('\r\n', at)
    if (trailerEnd === -1) return undefined
    const isLast = trailerEnd === at
    at = trailerEnd + 2
    if (isLast) return { body: Buffer.concat(chunks), length: at }
  }
}
