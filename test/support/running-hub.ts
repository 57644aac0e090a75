import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { type Hub, startHub } from '../../src/assemble/hub.ts'
import type { Clock } from '../../src/base/clock.ts'
import { createLog } from '../../src/base/log.ts'
import type { HubConfig } from '../../src/config/hub-config.ts'
import type { StsConfig } from '../../src/config/sidecar-config.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import {
  basic,
  createTestStsConfig,
  decodeClaims,
  encodeForm,
  type FormParameters,
  formType,
  ordersSecret,
  type TokenAnswer,
} from './token-service.ts'
import { createTestIssuer, type TestIssuer } from './tokens.ts'
import { until } from './until.ts'

/** A whole hub on free ports, with the clients of `token-service.ts`, a key file and an audit file. */
export interface RunningHub {
  readonly hub: Hub
  readonly url: string
  readonly issuer: string
  readonly keyFile: string
  /** The outside issuer. */
  readonly login: TestIssuer
  /** Signs the assertions of the client `reports`. */
  readonly reports: TestIssuer
  /** The operator's log. */
  readonly log: readonly string[]
  /** A token of the outside issuer for `orders`: alice, scope `orders:read orders:refund`. */
  subjectToken(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  /** A token request over HTTP, authenticated as `orders` unless `authorization` says otherwise. */
  post(form: FormParameters | string, headers?: Readonly<Record<string, string>>): Promise<TokenAnswer>
  /** A token exchange that succeeds, with these parameters replaced or (undefined) left out. */
  exchange(form?: FormParameters, authorization?: string | undefined): Promise<TokenAnswer>
  /** The record's events of tokens, or of types that begin otherwise, as soon as there are this many. */
  events(count: number, types?: string): Promise<readonly AuditLine[]>
  /** Everything that is on record, as text. */
  audit(): string
}

/** A line of the record. */
export interface AuditLine {
  readonly type: string
  readonly subject?: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface RunningHubOptions {
  /** For keys and record. */
  readonly folder: string
  readonly clock?: Clock
  /** A hub that this one is a replica of: the same issuer and key file. */
  readonly replicaOf?: RunningHub
  readonly sts?: Partial<StsConfig>
  readonly hub?: Partial<HubConfig>
}

/** Starts it. Its issuer is its own address unless it is the replica of another. */
export async function startRunningHub(options: RunningHubOptions): Promise<RunningHub> {
  const { folder, replicaOf, clock } = options
  const login = replicaOf?.login ?? (await createTestIssuer())
  const reports = replicaOf?.reports ?? (await createTestIssuer({ issuer: 'reports', kid: 'reports-1' }))
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const issuer = replicaOf?.issuer ?? `${url}/sts`
  const keyFile = join(folder, 'keys.json')
  const auditFile = join(folder, `audit-${port}.jsonl`)
  const log: string[] = []
  const config = { issuer, keys: keyFile, ...options.sts }
  const hub = await startHub(
    {
      listen: { host: '127.0.0.1', port, tls: undefined },
      admin: { host: '127.0.0.1', port: 0 },
      audit: { file: auditFile, queue: 1_000, whenFull: 'refuse' },
      redis: undefined,
      sts: createTestStsConfig(login, reports, { config }),
      ...options.hub,
    },
    { log: createLog('hub', line => log.push(line)), ...(clock !== undefined && { clock }) },
  )
  const authorization = basic('orders', ordersSecret)
  const post: RunningHub['post'] = async (form, headers = { authorization }) => {
    const response = await fetch(`${url}/sts/token`, {
      method: 'POST',
      headers: { 'content-type': formType, ...headers },
      body: typeof form === 'string' ? form : encodeForm(form),
    })
    const body = await response.text()
    const json = body.startsWith('{') ? JSON.parse(body) : {}
    const token = json['access_token']
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body,
      json,
      claims: typeof token === 'string' ? decodeClaims(token) : {},
    }
  }
  const subjectToken: RunningHub['subjectToken'] = (claims = {}, header = {}) =>
    login.sign({ aud: 'orders', scope: 'orders:read orders:refund', ...claims }, header)
  const audit = (): string => readFileSync(auditFile, 'utf8')
  return {
    hub,
    url,
    issuer,
    keyFile,
    login,
    reports,
    log,
    subjectToken,
    post,
    async exchange(form = {}, ...more) {
      const subject = 'subject_token' in form ? {} : { subject_token: await subjectToken() }
      const honest = {
        grant_type: grantType.tokenExchange,
        subject_token_type: tokenType.accessToken,
        audience: 'orders-api',
      }
      return post({ ...honest, ...subject, ...form }, { authorization: more[0] ?? authorization })
    },
    async events(count, types = 'io.hopgate.token.') {
      const lines = (): string[] =>
        audit()
          .split('\n')
          .slice(0, -1)
          .filter(line => line.includes(`"type":"${types}`))
      await until(() => lines().length >= count, `${count} events are on record`)
      return lines().map(line => JSON.parse(line))
    },
    audit,
  }
}
