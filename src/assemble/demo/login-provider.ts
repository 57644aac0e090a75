import { createHash, generateKeyPair, randomBytes, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import type { Configuration, default as Provider } from 'oidc-provider'
import { closeServer, listen } from '../../base/listen.ts'
import { Secret } from '../../base/secret.ts'
import { createBrowser } from './browser.ts'
import { createMemoryAdapter } from './memory-adapter.ts'
import { sendPlain } from './plain-http.ts'

/**
 * An OpenID provider that knows nothing of Hopgate: `oidc-provider` behind `node:http` on loopback. It issues RFC 9068
 * access tokens (`typ: at+jwt`, RS256) whose audience is the web client `shop-web`.
 */
export interface LoginProvider {
  /** Issuer identifier, such as `http://127.0.0.1:4400`; discovery and keys live below it. */
  readonly issuer: string
  readonly port: number
  /**
   * Logs a user in as a browser would (authorization code with PKCE, RFC 7636) and answers the access token.
   *
   * @throws Error when the provider refuses, such as for an unknown user or scope
   */
  logIn(login: Login): Promise<Secret>
  close(): Promise<void>
}

export interface Login {
  /** One of {@link demoUsers}. */
  readonly user: string
  /** Space-delimited; within {@link demoScope}. */
  readonly scope: string
}

export interface LoginProviderOptions {
  /** Default 0: any free port. */
  readonly port?: number
  /** Default 300. */
  readonly accessTokenTtlSeconds?: number
  /** `aud` of the access tokens. Default `shop-web`. */
  readonly audience?: string
}

export const demoUsers: readonly string[] = ['alice', 'bob']
export const demoScope = 'shop:read orders:read orders:write billing:read'
export const demoClient = 'shop-web'

/** The resource (RFC 8707) that every access token is for; the tokens carry the configured audience instead. */
const resource = 'urn:hopgate:demo:shop'

/**
 * Starts a provider.
 *
 * @throws Error when the development dependency is not installed or the port is taken
 */
export async function startLoginProvider(options: LoginProviderOptions = {}): Promise<LoginProvider> {
  const OidcProvider = await loadProvider()
  const server = createServer()
  const { port } = await listen(server, { host: '127.0.0.1', port: options.port ?? 0 })
  const issuer = `http://127.0.0.1:${port}`
  const redirectUri = `${issuer}/signed-in`
  const provider = new OidcProvider(issuer, await configure(options, redirectUri))
  const answer = provider.callback()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/interaction/')) void askWhoItIs(provider, request, response)
    else answer(request, response)
  })
  return {
    issuer,
    port,
    logIn: login => logIn(issuer, redirectUri, login),
    close: () => closeServer(server, 0),
  }
}

async function loadProvider(): Promise<typeof Provider> {
  const { warn } = console
  // On import it warns of every Node release that is not under long-term support yet.
  console.warn = () => {}
  try {
    return (await import('oidc-provider')).default
  } catch {
    throw new Error(
      'the login provider needs the development dependency oidc-provider: run npm ci in a clone of the repository',
    )
  } finally {
    console.warn = warn
  }
}

async function configure(options: LoginProviderOptions, redirectUri: string): Promise<Configuration> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const ttlSeconds = options.accessTokenTtlSeconds ?? 300
  return {
    adapter: createMemoryAdapter(),
    jwks: {
      keys: [{ ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'RS256', use: 'sig' }],
    },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: [
      {
        client_id: demoClient,
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        redirect_uris: [redirectUri],
      },
    ],
    scopes: ['openid'],
    clientBasedCORS: () => false,
    findAccount: (_, id) =>
      demoUsers.includes(id) ? { accountId: id, claims: () => ({ sub: id }) } : undefined,
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // The client is the shop's own: who logs in has agreed, so no consent page is shown.
    async loadExistingGrant(ctx) {
      const { client, session, params } = ctx.oidc
      if (client === undefined || session?.accountId === undefined) return undefined
      const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope('openid')
      grant.addResourceScope(resource, String(params?.['scope'] ?? ''))
      await grant.save()
      return grant
    },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: demoScope,
          audience: options.audience ?? demoClient,
          accessTokenFormat: 'jwt',
          accessTokenTTL: ttlSeconds,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    ttl: { AccessToken: ttlSeconds, IdToken: 300, Interaction: 600, Session: 600, Grant: 600 },
    renderError(ctx, error) {
      ctx.type = 'text'
      ctx.body = `${error.error}: ${error.error_description ?? ''}`
    },
  }
}

/** The login page: GET shows it, POST takes the name of a known user. */
async function askWhoItIs(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const { uid } = await provider.interactionDetails(request, response)
    if (request.method === 'POST') {
      const accountId = new URLSearchParams(await readText(request)).get('login') ?? ''
      if (demoUsers.includes(accountId)) {
        await provider.interactionFinished(request, response, { login: { accountId } })
        return
      }
    }
    const names = demoUsers.map(name => `<option>${name}</option>`).join('')
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    response.end(
      `<!doctype html><title>Sign in</title><form method="post" action="/interaction/${uid}">` +
        `<select name="login">${names}</select> <button>Sign in</button></form>`,
    )
  } catch {
    response.writeHead(400, { 'content-type': 'text/plain' }).end('no login is under way\n')
  }
}

async function logIn(issuer: string, redirectUri: string, { user, scope }: Login): Promise<Secret> {
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const authorization = new URL('/auth', issuer)
  authorization.search = new URLSearchParams({
    client_id: demoClient,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()

  const browser = createBrowser(redirectUri)
  let page = await browser.open(authorization)
  if (page.answer !== undefined) page = await browser.submit(page, { login: user })
  if (page.answer !== undefined) throw new Error(`${issuer} does not let ${user} in`)
  const returned = page.url.searchParams
  const code = returned.get('code')
  if (code === null || returned.get('state') !== state || returned.get('iss') !== issuer) {
    throw new Error(`${issuer} refuses the login: ${returned.get('error') ?? 'no code'}`)
  }

  const answer = await sendPlain(new URL('/token', issuer), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: demoClient,
      redirect_uri: redirectUri,
      code,
      code_verifier: verifier,
    }).toString(),
  })
  const granted: unknown = answer.status === 200 ? JSON.parse(answer.body) : undefined
  if (typeof granted !== 'object' || granted === null || !('access_token' in granted)) {
    throw new Error(`${issuer} gives no token for the code: status ${answer.status}`)
  }
  return new Secret(String(granted.access_token))
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > 10_000) throw new Error('too long')
  }
  return text
}
