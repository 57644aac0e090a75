import { posix } from 'node:path'
import fc from 'fast-check'

/** How some upstream reads a request target: the path that it acts on. */
export type PathReader = (target: string) => string

const pathPart = (target: string): string => target.split('?')[0] ?? ''
const resolve = (path: string): string => posix.normalize(path.replace(/^\/*/, '/'))

/** Decodes what can be decoded and keeps the rest, as lax decoders do. */
function decode(text: string): string {
  return Buffer.from(
    text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8')
}

/** Takes two-byte and three-byte forms of ASCII for ASCII, as decoders did that were never taught otherwise. */
function decodeOverlong(text: string): string {
  return text
    .replace(/%c([01])%([89ab][0-9a-f])/gi, (_, high: string, low: string) =>
      String.fromCharCode((Number.parseInt(high, 16) << 6) | (Number.parseInt(low, 16) & 0x3f)),
    )
    .replace(/%e0%8([01])%([89ab][0-9a-f])/gi, (_, high: string, low: string) =>
      String.fromCharCode((Number.parseInt(high, 16) << 6) | (Number.parseInt(low, 16) & 0x3f)),
    )
}

/**
 * Readings that servers, frameworks and file systems are known for, one mistake or liberty each. Not among them: letters
 * of either case taken for the same, which a sidecar cannot know. All decode escapes of letters, as RFC 3986 §6.2.2.2
 * has it.
 */
export const pathReaders: Readonly<Record<string, PathReader>> = {
  'WHATWG URL': target => {
    try {
      return decode(new URL(target, 'http://upstream.test').pathname)
    } catch {
      return ''
    }
  },
  'resolved, then decoded': target => decode(resolve(pathPart(target))),
  'decoded, then resolved': target => resolve(decode(pathPart(target))),
  'decoded twice': target => resolve(decode(decode(pathPart(target)))),
  'decoded before the query is cut off': target => resolve(pathPart(decode(target))),
  'decoded before a fragment is cut off': target => resolve(decode(pathPart(target)).split('#')[0] ?? ''),
  'matrix parameters cut off': target =>
    resolve(
      decode(
        pathPart(target)
          .split('/')
          .map(segment => segment.split(';')[0])
          .join('/'),
      ),
    ),
  'matrix parameters cut off after decoding': target =>
    resolve(
      decode(pathPart(target))
        .split('/')
        .map(segment => segment.split(';')[0])
        .join('/'),
    ),
  'backslashes are slashes': target => resolve(decode(pathPart(target)).replaceAll('\\', '/')),
  'dots and spaces at ends dropped': target =>
    decode(pathPart(target))
      .split('/')
      .map(segment => (segment === '..' ? segment : segment.replace(/[. ]+$/, '')))
      .join('/'),
  'cut off at a control character': target =>
    resolve(decode(pathPart(target)).split(/[\x00-\x1f\x7f]/)[0] ?? ''),
  'overlong UTF-8': target => resolve(decode(decodeOverlong(pathPart(target)))),
  '%u escapes': target =>
    resolve(
      decode(pathPart(target)).replace(/%u([0-9a-f]{4})/gi, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      ),
    ),
  'compatibility form': target => resolve(decode(pathPart(target)).normalize('NFKC')),
}

/** The first segment of the path that a reader acts on. */
export function areaOf(reader: PathReader, target: string): string {
  return reader(target).split('/')[1] ?? ''
}

/** Targets made of what has ever confused a reader; about one in ten is an honest one. */
export const oddTargets: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('/', '/public/', '/public', '/admin', '/public/x/', '//', ''),
    fc.array(
      fc.constantFrom(
        ...['/', '/', '/', 'admin', 'admin', 'public', 'x', '.', '..', '../', '/..', '/../', './', '...'],
        ...['%2e', '%2E%2e', '.%2e', '%2f', '%2F', '%5c', '%5C', '\\', ';', ';x=1', '..;', '%3b', '%3B'],
        ...['%00', '%09', '%0a', '%0D%0A', '%7f', '%20', '%20/', './/', '%252e', '%252f', '%25%32%65'],
        ...['%c0%ae', '%c0%af', '%e0%80%ae', '%e0%80%af', '%zz', '%', '%2', '%u002e', '%u002f', '%61dmin'],
        ...[
          '%EF%BC%8E',
          '%EF%BC%8F',
          '%EF%BC%BC',
          '%E2%80%A5',
          '%E3%80%80',
          '%E2%84%80',
          '%C3%A9',
          'e%CC%81',
        ],
        ...['#', '%23', '?', '%3f', '%3F', '?/../admin', '~', ':', '@', '*', '!', '$', '&', '=', ',', '+'],
        ...['admin.json', 'admin.', 'admin%20', '@admin', 'http://admin/', ' ', '"', '<', '{', '|', '^', '`'],
      ),
      { maxLength: 7 },
    ),
  )
  .map(([start, pieces]) => `${start}${pieces.join('')}`)
