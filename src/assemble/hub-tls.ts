import { constants } from 'node:crypto'
import type { TlsOptions } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { ServeTls } from '../base/serve-handler.ts'
import { createTlsMaterial } from '../base/tls-material.ts'
import type { HubListenTls } from '../config/hub-config.ts'
import type { StsClient } from '../config/sidecar-config.ts'

/** TLS of a hub, until it is closed. */
export interface HubTls extends ServeTls {
  close(): void
}

/**
 * Opens the files and goes on watching them. A certificate is asked for where a client may have one, and every one gets
 * through the handshake: whose it is, and whether that is enough, is for client authentication to say.
 *
 * @throws Error that names the files, when they cannot be used
 */
export function openHubTls(
  { cert, key, clientCa, minVersion }: HubListenTls,
  clients: readonly StsClient[],
  deps: { readonly log: Log; readonly clock: Clock },
): HubTls {
  const material = createTlsMaterial({ cert, key, ca: clientCa }, { name: 'listen.tls', ...deps, minVersion })
  const requestCert = clientCa !== undefined || clients.some(usesCertificate)
  const options = (): TlsOptions => ({
    ...material.options(),
    requestCert,
    rejectUnauthorized: false,
    // A session that is resumed would bring a certificate along that was looked at under other circumstances.
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
  return {
    options,
    onChange: use => void material.onChange(() => use(options())),
    hasAuthorities: clientCa !== undefined,
    close: () => material.close(),
  }
}

/** Whether a client authenticates with a certificate, which the handshake then has to ask for. */
export function usesCertificate({ authentication: { kind } }: StsClient): boolean {
  return kind === 'tls_client_auth' || kind === 'self_signed_tls_client_auth' || kind === 'spiffe_x509'
}
