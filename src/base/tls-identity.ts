import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { readSpiffeId } from './x509-svid.ts'

/** Decides after the chain of a server's certificate was verified; an error ends the connection. */
export type ServerIdentityCheck = (host: string, certificate: PeerCertificate) => Error | undefined

/** The certificate of the other side is good, but not one of those that are waited for. Quotes nothing of it. */
export class PeerNotPermitted extends Error {
  override readonly name = 'PeerNotPermitted'
  readonly code = 'ERR_TLS_PEER_NOT_PERMITTED'
}

/**
 * Whom to take for the server: one with a pinned SPIFFE ID, whatever its host is called; without pins, the name that is
 * configured (RFC 9110 §4.3.4). The host that a client library hands in is not asked: some take it from the `Host` of a
 * request, which whoever calls may choose.
 *
 * Node asks only on a full handshake. A session that is resumed was decided on before, so sessions must not outlive the
 * options that they were made with.
 *
 * @param name a host name, or an address without brackets
 */
export function createServerIdentityCheck(name: string, spiffeIds: readonly string[]): ServerIdentityCheck {
  if (spiffeIds.length === 0) return (_host, certificate) => checkServerIdentity(name, certificate)
  const permitted = new Set(spiffeIds)
  return (_host, { raw }) => {
    const id = readSpiffeId(raw ?? Buffer.alloc(0))
    if (!id.ok) return new PeerNotPermitted(`the server has a certificate ${id.error}`)
    return permitted.has(id.value)
      ? undefined
      : new PeerNotPermitted('the server has a SPIFFE ID that is not permitted')
  }
}
