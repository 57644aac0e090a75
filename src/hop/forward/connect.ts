import { connect as connectTcp, type OnReadOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { connectOptions, type TlsTarget } from '../../base/tls-connect.ts'
import type { TlsMaterial } from '../../base/tls-material.ts'

/** A socket that is being opened, and the event that says that it may be used. */
export interface OpeningSocket {
  readonly socket: Socket
  readonly readyEvent: 'connect' | 'secureConnect'
}

/** Opens a socket to upstream. @param onread reads as told instead of by events */
export type Connect = (onread?: OnReadOpts) => OpeningSocket

/** How to trust an upstream that is spoken to with TLS. */
export interface UpstreamTrust {
  readonly material: TlsMaterial
  readonly target: TlsTarget
}

/**
 * Prepares connections to one origin. With `https:` the peer's chain and name are always verified, with the material of
 * the moment.
 *
 * @param protocol what to speak, for ALPN (RFC 7301)
 * @param trust needed exactly for `https:`
 */
export function createConnect(
  origin: URL,
  protocol: 'http/1.1' | 'h2',
  trust: UpstreamTrust | undefined,
): Connect {
  const host = origin.hostname.replace(/^\[|\]$/g, '')
  const address = { host, noDelay: true, keepAlive: true }
  if (origin.protocol === 'http:') {
    const port = Number(origin.port) || 80
    return onread => ({
      socket: connectTcp({ ...address, port, ...(onread && { onread }) }),
      readyEvent: 'connect',
    })
  }
  if (trust === undefined) throw new TypeError('an https: upstream without anything to trust it by')
  const port = Number(origin.port) || 443
  return onread => {
    const options: ConnectionOptions & { onread?: OnReadOpts } = {
      ...address,
      port,
      ALPNProtocols: [protocol],
      ...connectOptions(trust.material, trust.target),
      ...(onread && { onread }),
    }
    return { socket: connectTls(options), readyEvent: 'secureConnect' }
  }
}
