/** Fields about an HTTP/1.1 connection, which HTTP/2 must not have (RFC 9113 §8.2.2). */
const dropped: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

/**
 * The header section of a response in HTTP/2: names in lower case, and nothing about a connection. Node sends no body with
 * a 205, and the length of one that is not there would make the message malformed (RFC 9113 §8.1.1).
 */
export function responseFields(status: number, fields: readonly string[]): string[] {
  const section = [':status', String(status)]
  for (let index = 0; index < fields.length; index += 2) {
    const name = lowerCase(fields[index] as string)
    if (name === undefined || (status === 205 && name === 'content-length')) continue
    section.push(name, fields[index + 1] as string)
  }
  return section
}

/** The same as an object, which Node wants for interim responses and trailers; a repeated field becomes an array. */
export function fieldObject(
  pairs: Iterable<readonly [name: string, value: string]>,
): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null)
  for (const [field, value] of pairs) {
    const name = lowerCase(field)
    if (name === undefined) continue
    const before = object[name]
    object[name] = before === undefined ? value : [before, value].flat()
  }
  return object
}

/** Whether trailers can follow a response that has begun: one whose length is told ends there, unless gRPC says more. */
export function mayHaveTrailers(section: readonly string[]): boolean {
  let hasLength = false
  for (let index = 0; index < section.length; index += 2) {
    const name = section[index]
    if (name === 'content-length') hasLength = true
    else if (name === 'trailer') return true
    else if (name === 'content-type' && section[index + 1]?.startsWith('application/grpc')) return true
  }
  return !hasLength
}

/** Remembered by the exact spelling; an upstream has few, and the bound is for one that makes them up. */
const remembered = new Map<string, string | undefined>()
const rememberedLimit = 1_000

function lowerCase(name: string): string | undefined {
  let lower = remembered.get(name)
  if (lower === undefined && !remembered.has(name)) {
    if (remembered.size >= rememberedLimit) remembered.clear()
    lower = name.toLowerCase()
    if (dropped.has(lower)) lower = undefined
    remembered.set(name, lower)
  }
  return lower
}
