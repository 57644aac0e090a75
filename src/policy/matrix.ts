import type { ScopeSet } from '../oauth/scope-set.ts'
import { audiencesOf, scopeAt } from './candidates.ts'
import type { PolicyAudience, PolicyClient, PolicyDocument, PolicyRule } from './document.ts'
import { clientChecks, ttlSecondsOf } from './rule.ts'

/** What one rule gives one client at one audience, on every occasion that the rule is satisfied with. */
export interface MatrixRow {
  readonly rule: PolicyRule
  readonly client: PolicyClient
  readonly audience: PolicyAudience
  /** What an issued token may hold at most. */
  readonly scope: ScopeSet
  /** Longest life of an issued token; undefined leaves it to the token service. */
  readonly ttlSeconds: number | undefined
}

/**
 * Everything that a policy can permit, one row for each rule, client and audience. Rules stay in their order, which decides;
 * clients and audiences are in the order of their names, so that the table does not depend on how the document is written.
 */
export function policyMatrix(document: PolicyDocument): readonly MatrixRow[] {
  const clients = sortById(document.clients.values())
  return document.rules.flatMap(rule => {
    const ids = new Set(audiencesOf(rule, document))
    const audiences = sortById(document.audiences.values()).filter(({ id }) => ids.has(id))
    return clients.flatMap(client =>
      audiences
        .filter(audience => isForClient(rule, client, audience))
        .map(audience => ({
          rule,
          client,
          audience,
          scope: scopeAt(rule, audience),
          ttlSeconds: ttlSecondsOf(rule),
        })),
    )
  })
}

/** Clients or audiences in the order of their names, the same on every machine. */
export function sortById<T extends { readonly id: string }>(things: Iterable<T>): readonly T[] {
  return [...things].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function isForClient(rule: PolicyRule, client: PolicyClient, audience: PolicyAudience): boolean {
  const checks = clientChecks(rule.who, rule.into === 'own' ? audience.servedBy : undefined)
  return checks.every(check => check({ client }) === undefined)
}
