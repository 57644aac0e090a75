import type { X509Certificate } from 'node:crypto'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { fail, ok, type Result } from './result.ts'
import { readSpiffeId } from './x509-svid.ts'

/** Which clients may connect. */
export interface ClientRules {
  /** With `optional`, a certificate that is presented must still be good. */
  readonly clientCertificate: 'required' | 'optional' | 'none'
  /** Empty takes every certificate whose chain is good. */
  readonly spiffeIds: readonly string[]
}

/** A client that proved to hold the key of a certificate. */
export interface ClientIdentity {
  readonly certificate: X509Certificate
  /** Present exactly when SPIFFE IDs are asked for. */
  readonly spiffeId?: string
}

/**
 * Who is at the other end of a connection after its handshake: undefined for nobody in particular, where that is
 * allowed. Whoever presents a bad certificate is refused, and not taken for one who presented none. The error is for the
 * log, and quotes nothing of the certificate.
 */
export function identifyClient(
  socket: TLSSocket,
  { clientCertificate, spiffeIds }: ClientRules,
): Result<ClientIdentity | undefined, string> {
  if (clientCertificate === 'none') return ok(undefined)
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) {
    return clientCertificate === 'optional' ? ok(undefined) : fail('a client without a certificate')
  }
  if (!socket.authorized) return fail(`a certificate that does not verify (${socket.authorizationError})`)
  if (spiffeIds.length === 0) return ok({ certificate })
  const id = readSpiffeId(certificate.raw)
  if (!id.ok) return fail(`a certificate ${id.error}`)
  return spiffeIds.includes(id.value)
    ? ok({ certificate, spiffeId: id.value })
    : fail('a certificate with a SPIFFE ID that is not permitted')
}

/** What a TLS server is told about client certificates. {@link identifyClient} must still be asked. */
export function clientCertificateOptions({ clientCertificate }: ClientRules): TlsOptions {
  return {
    requestCert: clientCertificate !== 'none',
    // With `optional` the handshake goes on, so that who has no certificate can be told from who has a bad one.
    rejectUnauthorized: clientCertificate === 'required',
  }
}
