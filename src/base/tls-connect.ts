import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { createServerIdentityCheck } from './tls-identity.ts'
import type { TlsMaterial } from './tls-material.ts'

/** Whom a connection leads to. */
export interface TlsTarget {
  readonly url: URL
  /** Asked for (SNI) and checked instead of the host of `url`. */
  readonly serverName: string | undefined
  /** The SPIFFE IDs that the server may have; empty checks the name. */
  readonly spiffeIds: readonly string[]
}

/**
 * What `tls.connect` is told about trust, for one connection with the material of now. The chain is always checked: the
 * environment variable NODE_TLS_REJECT_UNAUTHORIZED, which turns Node's default off, changes nothing here. Nor does the
 * `Host` of a request, which HTTP clients take the server's name from where none is given.
 */
export function connectOptions(
  material: TlsMaterial,
  { url, serverName, spiffeIds }: TlsTarget,
): ConnectionOptions & { readonly servername: string } {
  const name = serverName ?? url.hostname.replace(/^\[|\]$/g, '')
  return {
    secureContext: material.context(),
    rejectUnauthorized: true,
    checkServerIdentity: createServerIdentityCheck(name, spiffeIds),
    // Empty for an address, which SNI does not carry (RFC 6066 §3).
    servername: isIP(name) === 0 ? name : '',
  }
}
