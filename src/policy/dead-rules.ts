import type { PolicyDocument, PolicyRule } from './document.ts'
import { type MatrixRow, policyMatrix } from './matrix.ts'

/** A rule that says something which can never be permitted. */
export interface DeadRule {
  readonly id: string
  /** Why; worded to follow "rule ID". */
  readonly why: string
}

/**
 * Finds rules that permit nothing, or nothing at one of their audiences, whoever asks and whatever comes along. A mistake of
 * their author that denies: worth a warning, and no reason to stop. Not everything is found: conditions are not solved.
 */
export function findDeadRules(document: PolicyDocument): readonly DeadRule[] {
  const rows = Map.groupBy(policyMatrix(document), ({ rule }) => rule.id)
  return document.rules.flatMap(rule => {
    const own = rows.get(rule.id)
    const reasons = [
      own === undefined ? describeNobody(rule) : undefined,
      rule.mode === 'machine' ? describePersonal(rule) : undefined,
      ...describeScopes(rule, own ?? []),
    ]
    return reasons.filter(why => why !== undefined).map(why => ({ id: rule.id, why }))
  })
}

/** Rules that ask where they run, of a configuration that does not say it. */
export function findPlacelessRules(document: PolicyDocument): readonly DeadRule[] {
  return document.rules
    .filter(({ require }) => require.environments !== undefined)
    .map(({ id }) => ({
      id,
      why: 'never permits here: it requires an environment, and this configuration names none',
    }))
}

function describeNobody({ into, who: { clients, kinds } }: PolicyRule): string {
  if (into === 'own') return 'never permits: no audience is served by a client that it is for'
  return clients !== undefined && kinds !== undefined
    ? 'never permits: none of its clients is of a kind that it is for'
    : 'never permits: no client is one that it is for'
}

function describePersonal({ require: { acr, maxAgeSeconds, approval } }: PolicyRule): string | undefined {
  if (approval !== undefined)
    return 'never permits: an approval is for a subject, and a machine has none but itself'
  return acr === undefined && maxAgeSeconds === undefined
    ? undefined
    : 'never permits: it requires a login, and a machine has none'
}

function describeScopes({ scope }: PolicyRule, rows: readonly MatrixRow[]): readonly string[] {
  if (scope === undefined || scope.length === 0) return []
  const without = new Set(rows.filter(row => row.scope.length === 0).map(({ audience }) => audience.id))
  return [...without].map(id => `permits no scope into ${id}: the audience has none of its scopes`)
}
