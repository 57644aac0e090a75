import { type DerElement, readDer } from './der.ts'

/** What a certificate says in the extensions that matter for a SPIFFE ID. */
export interface CertificateExtensions {
  /** The URIs among the subject alternative names, as they stand there, in their order. */
  readonly uris: readonly string[]
  /** The host names among them, as they stand there. */
  readonly dnsNames: readonly string[]
  /** The addresses of mail among them. */
  readonly emails: readonly string[]
  /** The IP addresses among them, of 4 or 16 bytes, in hexadecimal. */
  readonly addresses: readonly string[]
  /** Whether it may sign other certificates: `cA` of the basic constraints. */
  readonly isAuthority: boolean
  /** Whether its key may sign certificates or revocation lists. */
  readonly mayCertify: boolean
  /** Whether its key may sign at all, as far as its usage is stated: `digitalSignature`. */
  readonly maySign: boolean
}

const sequence = 0x30
const bitString = 0x03
const octetString = 0x04
const objectIdentifier = 0x06
const boolean = 0x01
/** `[3]` of TBSCertificate (RFC 5280 §4.1). */
const extensionList = 0xa3
/** `rfc822Name`, `dNSName`, `uniformResourceIdentifier` and `iPAddress` of GeneralName (RFC 5280 §4.2.1.6). */
const emailName = 0x81
const dnsName = 0x82
const uriName = 0x86
const addressName = 0x87

/** Bits 0, 5 and 6, counted from the left (RFC 5280 §4.2.1.3). */
const digitalSignature = 0b1000_0000
const keyCertSign = 0b0000_0100
const crlSign = 0b0000_0010

/** The identifiers are 2.5.29.n. */
const keyUsage = '551d0f'
const subjectAltName = '551d11'
const basicConstraints = '551d13'

/**
 * Reads extensions from the bytes of a certificate. The text that Node makes of them is not used: names in it have run
 * into each other (CVE-2021-44532), and it leaves the key usage out.
 *
 * @param certificate DER of a certificate whose signature was verified
 * @throws RangeError when the bytes are no certificate, or have an extension twice
 */
export function readCertificateExtensions(certificate: Buffer): CertificateExtensions {
  const [outer] = only(readDer(certificate), sequence)
  const toBeSigned = readDer(outer.content)[0]
  if (toBeSigned?.tag !== sequence) throw new RangeError('no certificate')
  const lists = readDer(toBeSigned.content).filter(({ tag }) => tag === extensionList)
  const extensions = lists.length === 0 ? new Map<string, Buffer>() : readExtensions(lists)
  const usage = extensions.get(keyUsage)
  const names = extensions.get(subjectAltName)
  const alternatives = names === undefined ? [] : readDer(only(readDer(names), sequence)[0].content)
  const namesOf = (tag: number, encoding: 'latin1' | 'hex' = 'latin1'): readonly string[] =>
    alternatives.filter(name => name.tag === tag).map(({ content }) => content.toString(encoding))
  const constraints = extensions.get(basicConstraints)
  return {
    uris: namesOf(uriName),
    dnsNames: namesOf(dnsName),
    emails: namesOf(emailName),
    addresses: namesOf(addressName, 'hex'),
    isAuthority: constraints !== undefined && readIsAuthority(constraints),
    mayCertify: usage !== undefined && (readUsage(usage) & (keyCertSign | crlSign)) !== 0,
    maySign: usage === undefined || (readUsage(usage) & digitalSignature) !== 0,
  }
}

function readExtensions(lists: readonly DerElement[]): ReadonlyMap<string, Buffer> {
  const [tagged] = only(lists, extensionList)
  const [list] = only(readDer(tagged.content), sequence)
  const extensions = new Map<string, Buffer>()
  for (const { tag, content } of readDer(list.content)) {
    const parts = readDer(content)
    const [identifier, value] = [parts[0], parts.at(-1)]
    if (tag !== sequence || identifier?.tag !== objectIdentifier || value?.tag !== octetString) {
      throw new RangeError('no extension')
    }
    const name = identifier.content.toString('hex')
    if (extensions.has(name)) throw new RangeError('an extension twice')
    extensions.set(name, value.content)
  }
  return extensions
}

function readIsAuthority(extension: Buffer): boolean {
  const [constraints] = only(readDer(extension), sequence)
  const first = readDer(constraints.content)[0]
  return first?.tag === boolean && first.content.some(byte => byte !== 0)
}

/** The first byte of the bits, whose first bit is the highest. */
function readUsage(extension: Buffer): number {
  const [bits] = only(readDer(extension), bitString)
  return bits.content[1] ?? 0
}

function only(elements: readonly DerElement[], tag: number): readonly [DerElement] {
  const [element, more] = elements
  if (element?.tag !== tag || more !== undefined) throw new RangeError('another structure')
  return [element]
}
