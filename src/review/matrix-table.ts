import { formatDuration } from '../base/duration-text.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import { type ScopeSet, scopeSet } from '../oauth/scope-set.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { type MatrixRow, policyMatrix, sortById } from '../policy/matrix.ts'
import { describeActor, describeConditions, describeSubject } from './describe-rule.ts'
import { joinPhrases, listOf, type Phrase, quoted } from './phrase.ts'

/** The table of everything that a policy permits, in words. */
export interface MatrixTable {
  /** The policy's file, as it was named. */
  readonly file: string
  readonly digest: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Phrase[])[]
  readonly overview: MatrixOverview
}

/** Every client at every audience: what it can have there at most, whatever the occasion. */
export interface MatrixOverview {
  readonly audiences: readonly string[]
  readonly clients: readonly {
    readonly id: string
    readonly kind: string
    /** One for each of {@link audiences}. */
    readonly reach: readonly (readonly Reach[])[]
  }[]
}

/** What a client can have at an audience in one mode. */
export interface Reach {
  readonly mode: ExchangeMode
  readonly scope: ScopeSet
  /** Whether every rule that it rests on asks something of the occasion. */
  readonly isConditional: boolean
}

const columns = ['rule', 'mode', 'client', 'actor', 'subject', 'audience', 'scopes', 'life', 'conditions']

/** Puts a policy into words. Pure: the same document gives the same table. */
export function createMatrixTable(document: PolicyDocument, file: string): MatrixTable {
  const rows = policyMatrix(document)
  return {
    file,
    digest: document.digest,
    columns,
    rows: rows.map(describeRow),
    overview: createOverview(document, rows),
  }
}

function describeRow({ rule, client, audience, scope, ttlSeconds }: MatrixRow): readonly Phrase[] {
  const conditions = describeConditions(rule)
  return [
    [quoted(rule.id)],
    [rule.mode],
    [quoted(client.id)],
    describeActor(rule),
    describeSubject(rule),
    [quoted(audience.id)],
    describeScope(scope),
    [ttlSeconds === undefined ? "the token service's" : `at most ${formatDuration(ttlSeconds)}`],
    conditions.length === 0 ? ['none'] : joinPhrases(conditions, '; '),
  ]
}

/** Scopes are never joined by commas: a scope may hold one. */
export function describeScope(scope: ScopeSet): Phrase {
  return scope.length === 0
    ? ['none']
    : joinPhrases(
        scope.map(token => listOf([token])),
        ' ',
      )
}

function createOverview(document: PolicyDocument, rows: readonly MatrixRow[]): MatrixOverview {
  const audiences = sortById(document.audiences.values()).map(({ id }) => id)
  const clients = sortById(document.clients.values()).map(({ id, kind }) => ({
    id,
    kind,
    reach: audiences.map(audience =>
      reachOf(rows.filter(row => row.client.id === id && row.audience.id === audience)),
    ),
  }))
  return { audiences, clients }
}

function reachOf(rows: readonly MatrixRow[]): readonly Reach[] {
  const modes: readonly ExchangeMode[] = ['delegation', 'impersonation', 'machine']
  return modes.flatMap(mode => {
    const found = rows.filter(({ rule }) => rule.mode === mode)
    if (found.length === 0) return []
    return [
      {
        mode,
        scope: scopeSet(found.flatMap(({ scope }) => [...scope])),
        isConditional: found.every(({ rule }) => describeConditions(rule).length > 0),
      },
    ]
  })
}
