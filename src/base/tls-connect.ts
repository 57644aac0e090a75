import type { ConnectionOptions } from 'node:tls'
import { createServerIdentityCheck } from './tls-identity.ts'
import type { TlsMaterial } from './tls-material.ts'

/** Whom a connection leads to. */
export interface TlsTarget {
  /** Asked for (SNI) and checked instead of the host that is connected to. */
  readonly serverName: string | undefined
  /** The SPIFFE IDs that the server may have; empty checks the name. */
  readonly spiffeIds: readonly string[]
}

/**
 * What `tls.connect` is told about trust, for one connection with the material of now. The chain is always checked: the
 * environment variable NODE_TLS_REJECT_UNAUTHORIZED, which turns Node's default off, changes nothing here.
 */
export function connectOptions(
  material: TlsMaterial,
  { serverName, spiffeIds }: TlsTarget,
): ConnectionOptions {
  return {
    secureContext: material.context(),
    rejectUnauthorized: true,
    checkServerIdentity: createServerIdentityCheck(spiffeIds),
    ...(serverName !== undefined && { servername: serverName }),
  }
}
