import { isIP } from 'node:net'
import type { HttpHandler, HttpRequest, HttpResponse } from '../base/http-message.ts'
import { closeServer, listen } from '../base/listen.ts'
import type { Log } from '../base/log.ts'
import { release } from '../base/release.ts'
import { createHandlerServer } from '../base/serve-handler.ts'
import type { ListenAddress } from '../config/sidecar-config.ts'

/** Whether traffic may be sent here, and otherwise why not: in our words, for `/readyz` to repeat. */
export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
}

export interface AdminOptions {
  readonly metrics: { readonly contentType: string; metricsText(): Promise<string> }
  isReady(): Readiness
  /** Asked in turn for every other path, such as the embedded token service. */
  readonly handlers?: readonly HttpHandler[]
  readonly log: Log
}

export interface AdminServer {
  /** Where it listens, with the port that the system chose. */
  readonly address: ListenAddress
  close(): Promise<void>
}

const maxBodyBytes = 64 * 1024
const headersTimeoutMs = 5_000
const requestTimeoutMs = 10_000
const closeGraceMs = 1_000

/**
 * Starts the server of the admin address: `/metrics`, `/livez` (200 while the process lives), `/readyz` (200, or 503
 * with reasons), then the handlers. Meant for probes, scrapers and services, so whatever a web page could send is
 * refused: see {@link isFromBrowser} and {@link isLocalName}.
 *
 * @throws the system's error when the address is taken or not allowed
 */
export async function startAdminServer(address: ListenAddress, options: AdminOptions): Promise<AdminServer> {
  const server = createHandlerServer(createAdminHandler(options), {
    maxBodyBytes,
    headersTimeoutMs,
    requestTimeoutMs,
    log: options.log,
  })
  const listening = await listen(server, address)
  return { address: listening, close: () => closeServer(server, closeGraceMs) }
}

/** What the admin address answers; exported for tests. */
export function createAdminHandler({ metrics, isReady, handlers = [] }: AdminOptions): HttpHandler {
  const pages = new Map<string, () => HttpResponse | Promise<HttpResponse>>()
  pages.set('/livez', () => json(200, { live: true, version: release, node: process.versions.node }))
  pages.set('/readyz', () => {
    const { ready, reasons } = isReady()
    return json(ready ? 200 : 503, { ready, reasons })
  })
  pages.set('/metrics', async () => ({
    status: 200,
    headers: { 'content-type': metrics.contentType },
    body: await metrics.metricsText(),
  }))
  return async request => {
    if (isFromBrowser(request) || !isLocalName(request.headers.get('host')?.[0])) return plain(403)
    const page = pages.get(request.path)
    if (page !== undefined) {
      if (request.method === 'GET' || request.method === 'HEAD') return page()
      return plain(405, { allow: 'GET, HEAD' })
    }
    for (const handler of handlers) {
      const response = await handler(request)
      if (response !== undefined) return response
    }
    return undefined
  }
}

/** Whether a page of another site asks. Browsers say so, and nothing else that belongs here sends these fields. */
function isFromBrowser({ headers }: HttpRequest): boolean {
  const site = headers.get('sec-fetch-site')
  return headers.has('origin') || (site?.some(value => value !== 'same-origin' && value !== 'none') ?? false)
}

const privateSuffixes = ['.localhost', '.local', '.internal', '.svc', '.home.arpa']

/**
 * Whether a `Host` is an address or a name that nobody can own in the public DNS: one label, or a suffix reserved for
 * private use. A page that points its own name at this address (DNS rebinding) still sends its own name.
 */
function isLocalName(host: string | undefined): boolean {
  // Only HTTP/1.0 may leave it out, as some health checkers do and no browser does.
  if (host === undefined) return true
  const name = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(host)
  if (name === null) return false
  if (name[1] !== undefined) return isIP(name[1]) === 6
  const plainName = (name[2] ?? '').toLowerCase().replace(/\.$/, '')
  if (isIP(plainName) === 4) return true
  return (
    plainName !== '' &&
    (!plainName.includes('.') || privateSuffixes.some(suffix => plainName.endsWith(suffix)))
  )
}

function json(status: number, value: object): HttpResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(value)}\n` }
}

function plain(status: number, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return { status, headers, body: '' }
}
