/** How the end of a response's body is known (RFC 9112 §6.3): its length in bytes, or one of the two below. */
export type BodyLength = number
export const chunked: BodyLength = -1
export const untilClose: BodyLength = -2

/** The first part of a response, up to the empty line. */
export interface ResponseHead {
  readonly status: number
  readonly phrase: string
  /** Name, value, name, value, …, as received. */
  readonly fields: string[]
  readonly bodyLength: BodyLength
  /** Whether upstream lets the connection be used again. */
  readonly isPersistent: boolean
  /** How long upstream says that it keeps an idle connection (`Keep-Alive: timeout`), in seconds. */
  readonly keepAliveSeconds: number | undefined
}

/** A field that says where a message ends or what becomes of the connection. */
type Role = 'content-length' | 'transfer-encoding' | 'connection' | 'keep-alive' | 'other'

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Control characters other than the blank one and those of a line end. */
const control = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/
const oneLength = /^\d{1,15}$/
const blank = (code: number): boolean => code === 0x20 || code === 0x09

/**
 * Reads the head of a response (RFC 9112 §4, §5, §6.3). Strict, because what two readers could read in two ways is how
 * one user's answer becomes another's: repeated or listed lengths, a length beside a transfer coding, any coding but
 * one `chunked`, folded lines, bare line feeds and blanks before a colon are all refused.
 *
 * @param text the bytes before the empty line as Latin-1, without the last line end
 * @param isHead whether the request was a HEAD, whose answer has no body whatever it says
 * @returns the reason, in a few words without upstream's text, when it is no HTTP/1.1 response
 */
export function readResponseHead(text: string, isHead: boolean): ResponseHead | string {
  if (control.test(text)) return 'a control character in the head'
  let end = lineEnd(text, 0)
  const start = end === badLine ? null : statusLine.exec(text.slice(0, end))
  if (start === null) return 'no HTTP/1.1 status line'
  const status = Number(start[2])
  const isHttp10 = start[1] === '0'

  const fields: string[] = []
  let length: number | undefined
  let isChunked = false
  let isPersistent = !isHttp10
  let keepAliveSeconds: number | undefined
  while (end < text.length) {
    const from = end + 2
    end = lineEnd(text, from)
    if (end === badLine) return 'a line that does not end with CR LF'
    const colon = text.indexOf(':', from)
    if (colon === -1 || colon >= end) return 'a line that is no field'
    const name = text.slice(from, colon)
    const role = roleOf(name)
    if (role === undefined) return 'a field name that is no token'
    const value = trimmed(text, colon + 1, end)
    fields.push(name, value)
    if (role === 'other') continue
    if (role === 'content-length') {
      if (length !== undefined || !oneLength.test(value)) return 'a Content-Length other than one number'
      length = Number(value)
    } else if (role === 'transfer-encoding') {
      // Node's own parser does not see a `chunked` with a tab behind it, and reads until the connection closes.
      const isClear = !text.slice(colon, end).includes('\t')
      if (isChunked || isHttp10 || !isClear || value.toLowerCase() !== 'chunked') {
        return 'a Transfer-Encoding other than one chunked'
      }
      isChunked = true
    } else if (role === 'connection') {
      isPersistent &&= value === 'keep-alive' || !namesClose(value)
    } else {
      keepAliveSeconds = readTimeout(value)
    }
  }
  if (isChunked && length !== undefined) return 'both Content-Length and Transfer-Encoding'
  const bodyLength = bodyLengthOf(status, isHead, isChunked, length)
  return {
    status,
    phrase: start[3] ?? '',
    fields,
    bodyLength,
    isPersistent: isPersistent && bodyLength !== untilClose,
    keepAliveSeconds,
  }
}

/**
 * Reads the lines of a trailer section.
 *
 * @param text the lines, each with its line end
 * @returns undefined when one of them is no field, or frames a message that has ended (RFC 9110 §6.5.1)
 */
export function readTrailers(text: string): string[] | undefined {
  const fields: string[] = []
  if (control.test(text)) return undefined
  for (const line of text.split('\r\n')) {
    if (line === '') continue
    if (/[\r\n]/.test(line)) return undefined
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon))
    const role = roleOf(name)
    if (role === undefined || role === 'content-length' || role === 'transfer-encoding') return undefined
    fields.push(name, trimmed(line, colon + 1, line.length))
  }
  return fields
}

function bodyLengthOf(
  status: number,
  isHead: boolean,
  isChunked: boolean,
  length: number | undefined,
): BodyLength {
  if (isHead || status < 200 || status === 204 || status === 304) return 0
  if (isChunked) return chunked
  return length ?? untilClose
}

const badLine = -1

/** @returns where the line ends that begins at `from`; {@link badLine} when that is not with CR LF or the text */
function lineEnd(text: string, from: number): number {
  const feed = text.indexOf('\n', from)
  const end = feed === -1 ? text.length : feed - 1
  const carriageReturn = text.indexOf('\r', from)
  return carriageReturn === (feed === -1 ? -1 : end) ? end : badLine
}

function trimmed(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && blank(text.charCodeAt(start))) start++
  while (end > start && blank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function namesClose(connection: string): boolean {
  return connection
    .toLowerCase()
    .split(',')
    .some(option => option.trim() === 'close')
}

function readTimeout(value: string): number | undefined {
  const seconds = /(?:^|[,;\s])timeout=(\d{1,9})(?:$|[,;\s])/i.exec(value)?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}

/** Remembered by the exact spelling; an upstream has few, and the bounds are for one that makes them up. */
const roles = new Map<string, Role>()
const rolesLimit = 1_000
const rememberedLength = 64

/** @returns undefined for a name that is no token (RFC 9110 §5.6.2) */
function roleOf(name: string): Role | undefined {
  const known = roles.get(name)
  if (known !== undefined) return known
  if (!fieldName.test(name)) return undefined
  if (roles.size >= rolesLimit) roles.clear()
  const lower = name.toLowerCase()
  const role: Role =
    lower === 'content-length' ||
    lower === 'transfer-encoding' ||
    lower === 'connection' ||
    lower === 'keep-alive'
      ? lower
      : 'other'
  // A copy, because a part of a text keeps all of it.
  if (name.length <= rememberedLength) roles.set(Buffer.from(name, 'latin1').toString('latin1'), role)
  return role
}
