import type { DocumentPath } from './config-problem.ts'
import type { Report } from './report.ts'
import type { ListenAddress } from './sidecar-config.ts'

/** Reports an admin port that cannot be opened because the data port has it. */
export function checkAdminAddress(
  listen: ListenAddress | undefined,
  admin: ListenAddress | undefined,
  report: Report,
): void {
  if (listen === undefined || admin === undefined || listen.port === 0 || listen.port !== admin.port) return
  if (!collides(listen.host, admin.host)) return
  report.add({ path: ['admin'], found: 'the port of listen', expected: 'another port' })
}

/** Reports a URL that leads back to one of the own ports, so that requests would go round. */
export function checkNotOwnAddress(
  url: URL | undefined,
  path: DocumentPath,
  own: readonly (ListenAddress | undefined)[],
  report: Report,
): void {
  if (url === undefined) return
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  for (const address of own) {
    if (address?.port !== port || !reaches(host, address.host)) continue
    report.add({ path, found: 'an address that this sidecar itself listens on', expected: 'another server' })
    return
  }
}

/** Whether two listeners on the same port get in each other's way. */
function collides(a: string, b: string): boolean {
  return isWildcard(a) || isWildcard(b) || isSameHost(a, b)
}

/** Whether a connection to `host` surely reaches a listener on this machine. Other addresses may be other machines. */
function reaches(host: string, listener: string): boolean {
  return isSameHost(host, listener) || (isWildcard(listener) && (isWildcard(host) || isLoopback(host)))
}

function isSameHost(a: string, b: string): boolean {
  return a === b || (a === 'localhost' && isLoopback(b)) || (b === 'localhost' && isLoopback(a))
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
