import { createServer, type IncomingMessage } from 'node:http'
import { closeServer, listen } from '../../base/listen.ts'
import { Secret } from '../../base/secret.ts'
import { sendPlain } from './plain-http.ts'
import { readClaims } from './read-claims.ts'

/** What a legacy service answers: what it received, never the token itself, and what the next service answered. */
export interface LegacyAnswer {
  readonly service: string
  readonly received: {
    readonly method: string
    readonly path: string
    /** The claims of the token in `Authorization`, not verified: that was the gate's work. */
    readonly claims: Readonly<Record<string, unknown>> | undefined
    readonly headers: Readonly<Record<string, string>>
  }
  readonly next?: LegacyAnswer | { readonly status: number }
}

export interface LegacyService {
  readonly url: string
  readonly port: number
  /** The bearer token that came last, for trying it where it does not belong. */
  lastToken(): Secret | undefined
  close(): Promise<void>
}

export interface LegacyServiceOptions {
  readonly service: string
  /** Default 0: any free port. */
  readonly port?: number
  /** What it calls before it answers: the next service's address, as it would be without Hopgate. */
  readonly next?: string
}

const shownHeaders = ['host', 'via', 'x-request-id', 'traceparent', 'x-forwarded-for'] as const

/**
 * Starts a service of the old kind. It knows nothing of Hopgate: it trusts who can reach it, and calls the next
 * service with the token that it was handed.
 */
export async function startLegacyService(options: LegacyServiceOptions): Promise<LegacyService> {
  let last: Secret | undefined
  const server = createServer((request, response) => {
    const token = bearerToken(request)
    last = token ?? last
    callNext(options.next, request, token)
      .then(next => {
        const answer = { ...describe(options.service, request, token), ...(next !== undefined && { next }) }
        response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(answer)}\n`)
      })
      .catch(() => response.writeHead(502).end())
  })
  const { port } = await listen(server, { host: '127.0.0.1', port: options.port ?? 0 })
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    lastToken: () => last,
    close: () => closeServer(server, 0),
  }
}

function bearerToken({ headers }: IncomingMessage): Secret | undefined {
  const token = headers.authorization?.match(/^Bearer (\S+)$/i)?.[1]
  return token === undefined ? undefined : new Secret(token)
}

function describe(service: string, request: IncomingMessage, token: Secret | undefined): LegacyAnswer {
  const headers: Record<string, string> = {}
  for (const name of shownHeaders) {
    const value = request.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  return {
    service,
    received: { method: request.method ?? '', path: request.url ?? '', claims: readClaims(token), headers },
  }
}

async function callNext(
  next: string | undefined,
  { headers }: IncomingMessage,
  token: Secret | undefined,
): Promise<LegacyAnswer | { readonly status: number } | undefined> {
  if (next === undefined) return undefined
  const handedOn: Record<string, string> = { accept: 'application/json' }
  for (const name of ['x-request-id', 'traceparent'] as const) {
    const value = headers[name]
    if (typeof value === 'string') handedOn[name] = value
  }
  const answer = await sendPlain(next, { headers: handedOn, ...(token !== undefined && { tokens: [token] }) })
  return answer.status === 200 ? (JSON.parse(answer.body) as LegacyAnswer) : { status: answer.status }
}
