import type { FileReader } from './file-reader.ts'
import type { HubListen } from './hub-config.ts'
import type { HubListenInput, ListenInput } from './listen-schema.ts'
import type { ListenAddress, ListenConfig } from './sidecar-config.ts'

/** The address of a validated `listen`, whichever way it is written. */
export function listenAddressOf(input: ListenInput | HubListenInput): ListenAddress {
  return 'address' in input ? input.address : input
}

/** Turns a validated `listen` into its configuration. */
export function buildListen(input: ListenInput, files: Pick<FileReader, 'resolve'>): ListenConfig {
  const { host, port } = listenAddressOf(input)
  if (!('address' in input)) return { host, port, tls: undefined, http2: true }
  const { tls, http2 } = input
  if (tls === undefined) return { host, port, tls: undefined, http2 }
  const clientCa = tls.client_ca === undefined ? undefined : files.resolve(tls.client_ca)
  return {
    host,
    port,
    tls: {
      cert: files.resolve(tls.cert),
      key: files.resolve(tls.key),
      clientCa,
      clientCertificate: clientCa === undefined ? 'none' : (tls.client_certificate ?? 'required'),
      spiffeIds: tls.spiffe_ids ?? [],
      minVersion: tls.min_version,
    },
    http2,
  }
}

/** Turns a validated `listen` of a hub into its configuration. */
export function buildHubListen(input: HubListenInput, files: Pick<FileReader, 'resolve'>): HubListen {
  const { host, port } = listenAddressOf(input)
  const tls = 'address' in input ? input.tls : undefined
  if (tls === undefined) return { host, port, tls: undefined }
  return {
    host,
    port,
    tls: {
      cert: files.resolve(tls.cert),
      key: files.resolve(tls.key),
      clientCa: tls.client_ca === undefined ? undefined : files.resolve(tls.client_ca),
      minVersion: tls.min_version,
    },
  }
}
