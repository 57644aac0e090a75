import { connect as connectTcp, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** A socket that is being opened, and the event that says that it may be used. */
export interface OpeningSocket {
  readonly socket: Socket
  readonly readyEvent: 'connect' | 'secureConnect'
}

/** Opens a socket to upstream. */
export type Connect = (onread?: OnReadOpts) => OpeningSocket

/** Prepares connections to one origin. With `https:` the peer's chain and name are always verified. */
export function createConnect(origin: URL): Connect {
  const isTls = origin.protocol === 'https:'
  const host = origin.hostname.replace(/^\[|\]$/g, '')
  const port = Number(origin.port) || (isTls ? 443 : 80)
  const address = { host, port, noDelay: true, keepAlive: true }
  if (!isTls) {
    return onread => ({
      socket: connectTcp({ ...address, ...(onread && { onread }) }),
      readyEvent: 'connect',
    })
  }
  return onread => ({
    socket: connectTls({
      ...address,
      ...(onread && { onread }),
      ALPNProtocols: ['http/1.1'],
      servername: /^[\d.]+$|:/.test(host) ? '' : host,
    }),
    readyEvent: 'secureConnect',
  })
}
