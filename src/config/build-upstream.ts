import type { FileReader } from './file-reader.ts'
import type { UpstreamConfig } from './sidecar-config.ts'
import type { UpstreamInput } from './upstream-schema.ts'

/** The URL of a validated `upstream`, whichever way it is written. */
export function upstreamUrlOf(input: UpstreamInput): URL {
  return input instanceof URL ? input : input.url
}

/** Turns a validated `upstream` into its configuration. */
export function buildUpstream(input: UpstreamInput, files: Pick<FileReader, 'resolve'>): UpstreamConfig {
  const url = upstreamUrlOf(input)
  const { protocol, tls = {} } = input instanceof URL ? { protocol: 'http1' as const } : input
  if (url.protocol === 'http:') return { url, protocol, tls: undefined }
  const path = (name: string | undefined) => (name === undefined ? undefined : files.resolve(name))
  return {
    url,
    protocol,
    tls: {
      ca: path(tls.ca),
      cert: path(tls.cert),
      key: path(tls.key),
      serverName: tls.server_name,
      spiffeIds: tls.spiffe_ids ?? [],
    },
  }
}
