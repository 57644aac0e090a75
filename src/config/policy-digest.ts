import { createHash } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import type { Route } from '../model/route.ts'
import type { PolicyDocument } from '../policy/document.ts'
import type {
  ContextHeaders,
  DecisionPointConfig,
  ExchangeConfig,
  IssuerRules,
  StsConfig,
} from './sidecar-config.ts'

/** Everything in a configuration that decides who may do what. */
export interface PolicyParts {
  readonly issuers: readonly IssuerRules[]
  readonly exchange: ExchangeConfig
  readonly routes: readonly Route[]
  readonly sts: StsConfig | undefined
  readonly policy: PolicyDocument | undefined
  readonly environment: string | undefined
  readonly context: ContextHeaders
  readonly decisionPoints: readonly DecisionPointConfig[]
}

/**
 * Hex SHA-256 over the policy of a sidecar: the same for the same policy however it is written, another when anything
 * that decides is different. Secrets, time limits and rate limits do not decide and are left out.
 */
export function policyDigest({ issuers, exchange, routes, sts, ...further }: PolicyParts): string {
  const { server, client, tls, actor, algorithms, plaintext } = exchange
  const decides = {
    version: 1,
    issuers: issuers.map(withoutTimeLimit),
    exchange: { server, client, tls, actor, algorithms, plaintext },
    routes: routes.map(({ timeoutMs: _, ...route }) => canonicalJson(route)).sort(),
    sts: sts && {
      ...sts,
      issuers: sts.issuers.map(withoutTimeLimit),
      clients: sts.clients.map(({ rateLimit: _, ...client }) => client),
    },
    policy: further.policy?.digest,
    environment: further.environment,
    context: further.context,
    decisionPoints: further.decisionPoints.map(({ timeoutMs: _, ...point }) => point),
  }
  return createHash('sha256').update(canonicalJson(decides), 'utf8').digest('hex')
}

function withoutTimeLimit(rules: IssuerRules): unknown {
  if (rules.introspection === undefined) return rules
  const { timeoutMs: _, ...introspection } = rules.introspection
  return { ...rules, introspection }
}

/** JSON with sorted keys. A URL is its text, a map an object; a secret is only the fact that there is one. */
export function canonicalJson(value: unknown): string {
  if (value instanceof Secret) return '"[secret]"'
  if (value instanceof URL) return JSON.stringify(value.href)
  if (value instanceof Map) return canonicalJson(Object.fromEntries(value))
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null)
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`)
  return `{${members.join(',')}}`
}
