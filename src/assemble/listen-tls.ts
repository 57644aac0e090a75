import type { TLSSocket, TlsOptions } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { clientCertificateOptions, identifyClient } from '../base/tls-client-identity.ts'
import { createTlsMaterial } from '../base/tls-material.ts'
import type { ListenTls } from '../config/sidecar-config.ts'

/** TLS on the data port: certificate and key, and whose certificates are taken there. */
export interface ListenTlsParts {
  /** For a server, with the material of now. */
  options(): TlsOptions
  /** Calls with other options when the files have changed. */
  onChange(use: (options: TlsOptions) => void): void
  /** Whether a caller whose handshake is done may stay. One that may not is logged. */
  readonly isPermittedPeer: (socket: TLSSocket) => boolean
  close(): void
}

/** @throws Error that names the files, when they cannot be used */
export function openListenTls(tls: ListenTls, log: Log, clock: Clock): ListenTlsParts {
  const { cert, key, clientCa, minVersion } = tls
  const files = { cert, key, ca: clientCa }
  const material = createTlsMaterial(files, { name: 'listen.tls', log, clock, minVersion })
  const options = (): TlsOptions => ({ ...material.options(), ...clientCertificateOptions(tls) })
  return {
    options,
    onChange: use => void material.onChange(() => use(options())),
    isPermittedPeer(socket) {
      const client = identifyClient(socket, tls)
      if (!client.ok) log.warn('caller refused', { reason: client.error, peer: socket.remoteAddress })
      return client.ok
    },
    close: () => material.close(),
  }
}
