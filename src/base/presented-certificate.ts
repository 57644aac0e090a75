import { X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'

/** A certificate whose key the other side of a connection proved to hold. By itself it says nothing about who that is. */
export interface PresentedCertificate {
  readonly certificate: X509Certificate
  /**
   * The authority that its chain leads to, which is one of those that are configured for clients; undefined when the
   * chain was not found good, as for a certificate that its holder signed.
   */
  readonly authority: X509Certificate | undefined
}

const known = new WeakMap<TLSSocket, PresentedCertificate>()

/**
 * What the client of a connection presented; undefined when it presented nothing.
 *
 * The answer stays the same for a connection: it must not be one that can go through a second handshake, with another
 * certificate, after the first was found good.
 *
 * @param hasAuthorities whether the server was given authorities for clients. Without them Node takes those of the
 *   system, whose word means nothing here.
 */
export function readPresentedCertificate(
  socket: TLSSocket,
  hasAuthorities: boolean,
): PresentedCertificate | undefined {
  const before = known.get(socket)
  if (before !== undefined) return before
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  const isGood = hasAuthorities && socket.authorized
  const presented = { certificate, authority: isGood ? findAuthority(socket) : undefined }
  known.set(socket, presented)
  return presented
}

/**
 * The end of the chain. That OpenSSL found a good one does not say that it is this one: Node puts it together anew, of what
 * the client sent and then of the configured authorities, by names and not by signatures, and authorities of different
 * domains may have one name. So each signature is looked at again, and whether its maker may sign certificates.
 */
function findAuthority(socket: TLSSocket): X509Certificate | undefined {
  let link: DetailedPeerCertificate = socket.getPeerCertificate(true)
  let certificate = new X509Certificate(link.raw)
  for (let length = 0; length < maxChainLength; length++) {
    const { issuerCertificate: next } = link
    if (next === undefined) return undefined
    const issuer = new X509Certificate(next.raw)
    if (!issuer.ca || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      return undefined
    // An authority of authorities is its own issuer.
    if (issuer.raw.equals(certificate.raw)) return certificate
    link = next
    certificate = issuer
  }
  return undefined
}

/** As many as OpenSSL looks at would be a hundred; nobody needs ten. */
const maxChainLength = 10
