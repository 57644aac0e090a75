import type { HttpRequest } from '../../src/base/http-message.ts'
import { silentLog } from '../../src/base/log.ts'
import { Secret } from '../../src/base/secret.ts'
import type {
  IssuerRules,
  StsClient,
  StsClientAuthentication,
  StsConfig,
} from '../../src/config/sidecar-config.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import { createMemoryReplayStore } from '../../src/sts/memory-replay-store.ts'
import { createMemoryRevocationStore } from '../../src/sts/memory-revocation-store.ts'
import type { ReplayStore } from '../../src/sts/replay-store.ts'
import type { RevocationStore } from '../../src/sts/revocation-store.ts'
import type { Signer } from '../../src/sts/signer.ts'
import { createTokenService, type TokenService } from '../../src/sts/token-service.ts'
import type { TokenServiceEvent } from '../../src/sts/token-service-event.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { createFakeHttpClient } from './fake-http-client.ts'
import { createTestIssuer, type TestIssuer } from './tokens.ts'

export const tokenServiceIssuer = 'https://hub.example.com/sts'
export const ordersSecret = 'orders:s%cret +1'
export const billingSecret = 'billing-secret'
export const formType = 'application/x-www-form-urlencoded'

/** A form: a list stands for a parameter that repeats, undefined for one that is left out. */
export type FormParameters = Readonly<Record<string, string | readonly string[] | undefined>>

export interface TokenAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly json: Readonly<Record<string, unknown>>
  /** Claims of the issued token, if there is one. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** A token service with one outside issuer and four clients, on a clock that moves when told. */
export interface TestTokenService {
  readonly service: TokenService
  readonly clock: FakeClock
  /** The outside issuer. */
  readonly login: TestIssuer
  /** Signs the assertions of the client `reports`. */
  readonly reports: TestIssuer
  /** Everything recorded so far. */
  readonly events: TokenServiceEvent[]
  readonly lastEvent: () => TokenServiceEvent
  /** A token of the outside issuer for `orders`: alice, scope `orders:read orders:refund profile`. */
  subjectToken(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  /** A client assertion of `reports`, good for one use. */
  assertion(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  /** Sends a request; the default is an empty form to the token endpoint. */
  send(request: Partial<HttpRequest>): Promise<TokenAnswer>
  /** A token request with this form, authenticated as `orders` unless `authorization` says otherwise. */
  post(form: FormParameters, authorization?: string | undefined): Promise<TokenAnswer>
  /** A request to another endpoint, such as `/introspect`, authenticated like {@link post}. */
  ask(endpoint: string, form: FormParameters, asked?: AskOptions): Promise<TokenAnswer>
  /** A token exchange that succeeds, with these parameters replaced or (undefined) left out. */
  exchange(form?: FormParameters, authorization?: string | undefined): Promise<TokenAnswer>
}

export interface AskOptions {
  readonly authorization?: string | undefined
  readonly accept?: string
}

export interface TestTokenServiceOptions {
  readonly config?: Partial<StsConfig>
  readonly clients?: readonly StsClient[]
  readonly rules?: Partial<IssuerRules>
  readonly replay?: ReplayStore
  readonly revocations?: RevocationStore
  readonly signer?: Signer
  readonly isRecording?: () => boolean
}

export async function createTestTokenService(
  options: TestTokenServiceOptions = {},
): Promise<TestTokenService> {
  const clock = createFakeClock(Math.floor(Date.now() / 1000))
  const login = await createTestIssuer()
  const reports = await createTestIssuer({ issuer: 'reports', kid: 'reports-1' })
  const events: TokenServiceEvent[] = []
  const config = createTestStsConfig(login, reports, options)
  const service = createTokenService(config, {
    clock,
    log: silentLog,
    client: createFakeHttpClient(() => new Error('no network here')),
    replay: options.replay ?? createMemoryReplayStore(clock),
    revocations: options.revocations ?? createMemoryRevocationStore(clock),
    record: event => events.push(event),
    ...(options.signer !== undefined && { signer: options.signer }),
    ...(options.isRecording !== undefined && { isRecording: options.isRecording }),
  })

  const send: TestTokenService['send'] = async request => {
    const answer = await service.handle({
      method: 'POST',
      path: '/sts/token',
      query: '',
      headers: new Map([['content-type', [formType]]]),
      body: '',
      peer: '192.0.2.1',
      ...request,
    })
    if (answer === undefined) throw new Error('not a path of the token service')
    const json = answer.body.startsWith('{') ? JSON.parse(answer.body) : {}
    const token = json['access_token']
    return {
      ...answer,
      json,
      claims: typeof token === 'string' && token.split('.').length === 3 ? decodeClaims(token) : {},
    }
  }
  const post: TestTokenService['post'] = (form, ...more) => {
    const authorization = more.length === 0 ? basic('orders', ordersSecret) : more[0]
    const headers = new Map([['content-type', [formType]]])
    if (authorization !== undefined) headers.set('authorization', [authorization])
    return send({ headers, body: encodeForm(form) })
  }
  const subjectToken: TestTokenService['subjectToken'] = (claims = {}, header = {}) => {
    const now = clock.now()
    const defaults = { aud: 'orders', scope: 'orders:read orders:refund profile', iat: now, exp: now + 300 }
    return login.sign({ ...defaults, ...claims }, header)
  }
  return {
    service,
    clock,
    login,
    reports,
    events,
    lastEvent() {
      const last = events.at(-1)
      if (last === undefined) throw new Error('nothing was recorded')
      return last
    },
    subjectToken,
    assertion(claims = {}, header = {}) {
      const now = clock.now()
      const defaults = { sub: 'reports', aud: tokenServiceIssuer, iat: now, exp: now + 60 }
      const removed = { client_id: undefined, scope: undefined }
      return reports.sign(
        { ...defaults, ...removed, ...claims },
        { typ: 'client-authentication+jwt', ...header },
      )
    },
    send,
    post,
    ask(endpoint, form, asked = {}) {
      const authorization = 'authorization' in asked ? asked.authorization : basic('orders', ordersSecret)
      const headers = new Map([['content-type', [formType]]])
      if (authorization !== undefined) headers.set('authorization', [authorization])
      if (asked.accept !== undefined) headers.set('accept', [asked.accept])
      return send({ path: `/sts${endpoint}`, headers, body: encodeForm(form) })
    },
    async exchange(form = {}, ...more) {
      const subject = 'subject_token' in form ? {} : { subject_token: await subjectToken() }
      return post({ ...exchangeForm, ...subject, ...form }, ...more)
    },
  }
}

const exchangeForm = {
  grant_type: grantType.tokenExchange,
  subject_token_type: tokenType.accessToken,
  audience: 'orders-api',
} as const

/** The configuration that the tests of the token service share. */
export function createTestStsConfig(
  login: TestIssuer,
  reports: TestIssuer,
  options: TestTokenServiceOptions = {},
): StsConfig {
  const rules: IssuerRules = {
    issuer: login.issuer,
    audience: ['orders', 'billing', 'reports', 'shop-web'],
    algorithms: ['ES256'],
    keys: { kind: 'inline', jwks: { keys: login.jwks.keys.map(key => ({ ...key })) } },
    types: ['at+jwt'],
    leewaySeconds: 5,
    maxLifetimeSeconds: 3_600,
    maxActorDepth: 4,
    plaintext: false,
    ...options.rules,
  }
  return {
    issuer: tokenServiceIssuer,
    keys: undefined,
    algorithm: 'ES256',
    maxTtlSeconds: 120,
    issuers: [rules],
    clients: options.clients ?? testClients(reports),
    clusters: [],
    trustDomains: [],
    maxActorDepth: 4,
    maxActorBytes: 2_048,
    maxActorVisits: 2,
    policy: undefined,
    environment: undefined,
    ...options.config,
  }
}

function testClients(reports: TestIssuer): StsClient[] {
  return [
    {
      id: 'orders',
      authentication: secretAuthentication(ordersSecret),
      accepts: ['shop-web'],
      audiences: new Map([
        ['orders-api', { scope: ['orders:read', 'orders:refund'], ttlSeconds: 60 }],
        [
          'billing',
          {
            scope: ['orders:read', 'billing:read'],
            resources: ['https://billing.example.com/'],
            ttlSeconds: undefined,
          },
        ],
        ['https://api.example.com/ledger', { scope: [], ttlSeconds: undefined }],
      ]),
    },
    {
      id: 'billing',
      authentication: secretAuthentication(billingSecret),
      accepts: [],
      audiences: new Map([
        ['orders', { scope: ['orders:read'], ttlSeconds: undefined }],
        ['ledger', { scope: ['orders:read', 'ledger:write'], ttlSeconds: undefined }],
      ]),
    },
    {
      id: 'reports',
      authentication: {
        kind: 'private_key_jwt',
        jwks: { keys: reports.jwks.keys.map(key => ({ ...key })) },
      },
      accepts: ['orders'],
      audiences: new Map([['orders-api', { scope: ['orders:read'], ttlSeconds: undefined }]]),
    },
    {
      id: 'idle',
      authentication: secretAuthentication('idle-secret'),
      accepts: ['orders'],
      audiences: new Map(),
    },
  ]
}

/** How a client with one secret authenticates. */
export function secretAuthentication(secret: string): StsClientAuthentication {
  return {
    kind: 'secret',
    secrets: [{ kind: 'plain', text: new Secret(secret) }],
    methods: ['client_secret_basic', 'client_secret_post'],
  }
}

/** Basic credentials as RFC 6749 §2.3.1 has them: form-encoded, then base64. */
export function basic(id: string, secret: string): string {
  const encode = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1)
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`
}

export function encodeForm(form: FormParameters): string {
  const pairs = new URLSearchParams()
  for (const [name, value] of Object.entries(form)) {
    if (value === undefined) continue
    for (const one of typeof value === 'string' ? [value] : value) pairs.append(name, one)
  }
  return pairs.toString()
}

/** The claims of a compact JWS, unverified. */
export function decodeClaims(token: string): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
}

/** The header of a compact JWS. */
export function decodeHeader(token: string): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8'))
}
