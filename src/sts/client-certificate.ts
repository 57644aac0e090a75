import { createHash, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { readCertificateExtensions } from '../base/certificate-extensions.ts'
import type { EpochSeconds } from '../base/clock.ts'
import { parseDistinguishedName, readSubjectName } from '../base/distinguished-name.ts'
import type { PresentedCertificate } from '../base/presented-certificate.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { readSpiffeId } from '../base/x509-svid.ts'
import type { CertificateSubject, StsClient } from '../config/sidecar-config.ts'
import { readClientKeySet } from '../tokens/client-key-set.ts'
import type { KeyIndex } from '../tokens/key-index.ts'

/** What a check of certificates needs beside the clients. */
export interface CertificateTrust {
  /** Whether a certificate is one of the authorities of a trust domain. */
  isAuthorityOf(spiffeId: string, authority: X509Certificate): boolean
  /** Whether it is one of any trust domain: it vouches for SPIFFE IDs then, and for no other names. */
  isDomainAuthority(authority: X509Certificate): boolean
}

/** Answers whether a certificate is the one of a client; the error is for the record. */
export type CertificateCheck = (
  client: StsClient,
  presented: PresentedCertificate,
  now: EpochSeconds,
) => Result<undefined, string>

type Matcher = (presented: PresentedCertificate) => Result<undefined, string>

/**
 * Checks the certificates of clients: `tls_client_auth` and `self_signed_tls_client_auth` (RFC 8705 §2), and X.509-SVIDs.
 * That the client holds the key was proven by the handshake; whose certificate it is, is found out here.
 *
 * @throws Error that names the client, for a name or a key that cannot be used
 */
export function createCertificateCheck(
  clients: Iterable<StsClient>,
  trust: CertificateTrust,
): CertificateCheck {
  const matchers = new Map<string, Matcher>()
  for (const client of clients) {
    const matcher = createMatcher(client, trust)
    if (matcher !== undefined) matchers.set(client.id, matcher)
  }
  return ({ id }, presented, now) => {
    const matches = matchers.get(id)
    if (matches === undefined) return fail('the client does not use a certificate')
    const { validFromDate, validToDate } = presented.certificate
    // The handshake may be long ago, and says nothing about a certificate that its holder signed.
    if (validToDate.getTime() / 1000 <= now) return fail('certificate: expired')
    if (validFromDate.getTime() / 1000 > now + leewaySeconds) return fail('certificate: not valid yet')
    return matches(presented)
  }
}

const leewaySeconds = 5

function createMatcher({ id, authentication }: StsClient, trust: CertificateTrust): Matcher | undefined {
  const wrong = (reason: string): Error => new Error(`client ${JSON.stringify(id)}: ${reason}`)
  switch (authentication.kind) {
    case 'tls_client_auth': {
      const isSubject = createSubjectTest(authentication.subject)
      if (!isSubject.ok) throw wrong(`a name which ${isSubject.error}`)
      return ({ certificate, authority }) => {
        if (authority === undefined || trust.isDomainAuthority(authority)) return fail(unverified)
        return isSubject.value(certificate.raw) ? ok(undefined) : fail('certificate: of another subject')
      }
    }
    case 'self_signed_tls_client_auth': {
      const keys = authentication.jwks === undefined ? undefined : readClientKeySet(authentication.jwks)
      if (keys?.ok === false) throw wrong(`keys not usable: ${keys.error}`)
      const thumbprints = new Set(authentication.thumbprints)
      return ({ certificate }) =>
        thumbprints.has(certificateThumbprint(certificate)) || hasKeyOf(keys?.value, certificate)
          ? ok(undefined)
          : fail('certificate: not one of those that are configured')
    }
    case 'spiffe_x509':
      return presented => checkSvid(authentication.spiffeId, presented, trust)
    default:
      return undefined
  }
}

const unverified = 'certificate: not of an authority for clients'

/** `x5t#S256` (RFC 8705 §3.1): base64url SHA-256 of the whole certificate. */
export function certificateThumbprint({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('base64url')
}

function hasKeyOf(keys: KeyIndex | undefined, { publicKey }: X509Certificate): boolean {
  return [...(keys?.keys ?? [])].some(key => key.publicKey.equals(publicKey))
}

/** X509-SVID §5: good by the authorities of its own trust domain, and of no other. */
function checkSvid(
  spiffeId: string,
  { certificate, authority }: PresentedCertificate,
  trust: CertificateTrust,
): Result<undefined, string> {
  if (authority === undefined) return fail(unverified)
  const id = readSpiffeId(certificate.raw)
  if (!id.ok) return fail(`certificate: one ${id.error}`)
  if (!readCertificateExtensions(certificate.raw).maySign) return fail('certificate: its key may not sign')
  if (id.value !== spiffeId) return fail('certificate: of another SPIFFE ID')
  return trust.isAuthorityOf(spiffeId, authority)
    ? ok(undefined)
    : fail('certificate: not of an authority of its trust domain')
}

/** The error follows "a name which". */
function createSubjectTest({
  kind,
  name,
}: CertificateSubject): Result<(certificate: Buffer) => boolean, string> {
  const read = createReader(kind)
  const wanted = kind === 'dn' ? parseDistinguishedName(name) : ok(kind === 'ip' ? addressBytes(name) : name)
  if (!wanted.ok) return wanted
  if (wanted.value === undefined) return fail('is no IP address')
  return ok(certificate => {
    try {
      return read(certificate).includes(wanted.value as string)
    } catch (cause) {
      // A certificate that an authority signed and that is still no certificate to us is nobody's.
      if (cause instanceof RangeError) return false
      throw cause
    }
  })
}

function createReader(kind: CertificateSubject['kind']): (certificate: Buffer) => readonly string[] {
  switch (kind) {
    case 'dn':
      return certificate => [readSubjectName(certificate)]
    case 'dns':
      return certificate => readCertificateExtensions(certificate).dnsNames.map(host => host.toLowerCase())
    case 'uri':
      return certificate => readCertificateExtensions(certificate).uris
    case 'ip':
      return certificate => readCertificateExtensions(certificate).addresses
    case 'email':
      return certificate => readCertificateExtensions(certificate).emails
  }
}

/** The bytes of an IP address as certificates have them, in hexadecimal. */
function addressBytes(text: string): string | undefined {
  if (isIP(text) === 4) return Buffer.from(text.split('.').map(Number)).toString('hex')
  if (isIP(text) !== 6 || text.includes('%')) return undefined
  // A URL has the one spelling of RFC 5952, without an IPv4 address in it.
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::')
  const groups = (part: string | undefined): readonly string[] => (part ? part.split(':') : [])
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail)]
  return all.map(group => group.padStart(4, '0')).join('')
}
