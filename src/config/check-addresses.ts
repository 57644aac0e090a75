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
  if (!overlaps(listen.host, admin.host)) return
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
    if (address?.port !== port || !overlaps(host, address.host)) continue
    report.add({ path, found: 'an address that this sidecar itself listens on', expected: 'another server' })
    return
  }
}

/** Whether a connection to one host can reach a listener on the other; any address of this machine reaches a wildcard. */
function overlaps(a: string, b: string): boolean {
  if (a === b || (isLoopback(a) && isLoopback(b))) return true
  return (isWildcard(a) && isLocal(b)) || (isWildcard(b) && isLocal(a))
}

function isLocal(host: string): boolean {
  return isWildcard(host) || isLoopback(host) || /^[0-9.]+$|:/.test(host)
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
