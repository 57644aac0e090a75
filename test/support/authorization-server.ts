import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestCertificate } from './certificate.ts'
import { createTestIssuer, type TestIssuer } from './tokens.ts'

/** A request to the token or introspection endpoint as the server received it. */
export interface ReceivedTokenRequest {
  readonly headers: IncomingMessage['headers']
  readonly form: URLSearchParams
}

/** What the token endpoint answers: a status with headers and a body, or whatever a function does to the response. */
export type TokenScript =
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: unknown }
  | ((response: ServerResponse, request: IncomingMessage) => void)

/** An authorization server that issues as asked, unless the test tells it to misbehave. */
export interface TestAuthorizationServer {
  readonly issuer: string
  /** The keys that its metadata leads to. */
  readonly signer: TestIssuer
  readonly tokenRequests: readonly ReceivedTokenRequest[]
  readonly introspectionRequests: readonly ReceivedTokenRequest[]
  /** Every path asked for, in order. */
  readonly paths: readonly string[]
  /** Decides what the token endpoint answers from now on. */
  onToken(script: (request: ReceivedTokenRequest) => TokenScript | Promise<TokenScript>): void
  /** Issues as asked, with claims, response members and header members replaced, or removed by undefined. */
  onTokenIssue(changes: {
    readonly claims?: Record<string, unknown>
    readonly response?: Record<string, unknown>
    readonly header?: Record<string, unknown>
    readonly signer?: TestIssuer
  }): void
  /** Decides what the introspection endpoint answers from now on; before, no token is active. */
  onIntrospect(script: (request: ReceivedTokenRequest) => TokenScript | Promise<TokenScript>): void
  /** Answers every other path; undefined goes on as usual. */
  onOther(script: (path: string) => TokenScript | undefined): void
  /** The claims that a well-behaved server puts into the token for this request. */
  claimsFor(form: URLSearchParams): Record<string, unknown>
  close(): Promise<void>
}

/**
 * Starts one on a free port of loopback, with TLS when it has a certificate. Client `orders` exchanges for `alice`.
 */
export async function startAuthorizationServer(
  certificate?: TestCertificate,
): Promise<TestAuthorizationServer> {
  const tokenRequests: ReceivedTokenRequest[] = []
  const introspectionRequests: ReceivedTokenRequest[] = []
  const paths: string[] = []
  let other: (path: string) => TokenScript | undefined = () => undefined
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    void serve(request, response).catch(() => response.destroy())
  }
  const server =
    certificate === undefined ? createServer(onRequest) : createHttpsServer(certificate, onRequest)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const scheme = certificate === undefined ? 'http' : 'https'
  const issuer = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
  const signer = await createTestIssuer({ issuer })

  const claimsFor = (form: URLSearchParams): Record<string, unknown> => ({
    sub: 'alice',
    aud: form.get('audience'),
    scope: form.get('scope') ?? '',
    client_id: 'orders',
    act: { sub: 'orders' },
  })
  const issue = async (
    form: URLSearchParams,
    {
      claims = {},
      response = {},
      header = {},
      signer: by = signer,
    }: Parameters<TestAuthorizationServer['onTokenIssue']>[0],
  ): Promise<TokenScript> => ({
    body: {
      access_token: await by.sign({ ...claimsFor(form), iss: issuer, ...claims }, header),
      token_type: 'Bearer',
      issued_token_type: form.get('requested_token_type'),
      expires_in: 300,
      ...response,
    },
  })
  let token: (request: ReceivedTokenRequest) => TokenScript | Promise<TokenScript> = ({ form }) =>
    issue(form, {})
  let introspect: typeof token = () => ({ body: { active: false } })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    paths.push(path)
    if (path === '/token' || path === '/introspect') {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const received = {
        headers: request.headers,
        form: new URLSearchParams(Buffer.concat(chunks).toString()),
      }
      const isToken = path === '/token'
      const requests = isToken ? tokenRequests : introspectionRequests
      requests.push(received)
      return send(request, response, await (isToken ? token : introspect)(received))
    }
    const script = other(path)
    if (script !== undefined) return send(request, response, script)
    const documents: Record<string, unknown> = {
      '/.well-known/oauth-authorization-server': {
        issuer,
        token_endpoint: `${issuer}/token`,
        introspection_endpoint: `${issuer}/introspect`,
        jwks_uri: `${issuer}/jwks`,
      },
      '/jwks': signer.jwks,
    }
    send(request, response, path in documents ? { body: documents[path] } : { status: 404 })
  }

  return {
    issuer,
    signer,
    tokenRequests,
    introspectionRequests,
    paths,
    onToken(script) {
      token = script
    },
    onTokenIssue(changes) {
      token = ({ form }) => issue(form, changes)
    },
    onIntrospect(script) {
      introspect = script
    },
    onOther(script) {
      other = script
    },
    claimsFor,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function send(request: IncomingMessage, response: ServerResponse, script: TokenScript): void {
  if (typeof script === 'function') {
    script(response, request)
    return
  }
  const { status = 200, headers = {}, body = '' } = script
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
  response.end(text)
}
