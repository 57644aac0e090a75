import type { PolicyDocument } from '../../policy/document.ts'
import { unknown } from '../partial-case.ts'
import { createDecideAgain, type NewDecision } from './decide-again.ts'
import type { PastDecision } from './past-decision.ts'
import { type ConfigsByService, createEventReader } from './read-event.ts'

/** How a decision of the past compares with the new one. */
export type Comparison = 'as-before' | 'otherwise' | 'by-another-rule' | 'undecidable' | 'by-the-route'

/** Decisions of the past that are alike. */
export interface ReplayGroup {
  readonly comparison: Comparison
  readonly client: string
  readonly audience: string
  readonly before: string
  readonly after: string
  readonly reason: string
  count: number
  first: string
  last: string
}

/** A line that is no event, by where it is. */
export interface BadLine {
  readonly file: string
  readonly line: number
  readonly reason: string
}

export interface ReplayReport {
  readonly decisions: number
  /** Events that no policy decided. */
  readonly others: number
  readonly counts: Readonly<Record<Comparison, number>>
  /** What is not as before, the most frequent first. */
  readonly groups: readonly ReplayGroup[]
  readonly badLines: number
  /** The first of them. */
  readonly firstBadLines: readonly BadLine[]
}

/** Takes one line after the other, and keeps nothing of them but counts. */
export interface Replay {
  take(file: string, line: number, text: string): void
  /** A line that could not even be read. */
  skip(file: string, line: number, reason: string): void
  report(): ReplayReport
}

const mostBadLines = 20

/** Asks a policy again what was decided in the past. */
export function createReplay(document: PolicyDocument, configs: ConfigsByService = new Map()): Replay {
  const readEvent = createEventReader(document, configs)
  const decideAgain = createDecideAgain(document)
  const counts: Record<Comparison, number> = {
    'as-before': 0,
    otherwise: 0,
    'by-another-rule': 0,
    undecidable: 0,
    'by-the-route': 0,
  }
  const groups = new Map<string, ReplayGroup>()
  const firstBadLines: BadLine[] = []
  let decisions = 0
  let others = 0
  let badLines = 0

  const skip: Replay['skip'] = (file, line, reason) => {
    badLines++
    if (firstBadLines.length < mostBadLines) firstBadLines.push({ file, line, reason })
  }

  return {
    skip,
    take(file, line, text) {
      const read = readEvent(text)
      if (!read.ok) return skip(file, line, read.error)
      if (read.value === undefined) {
        others++
        return
      }
      decisions++
      const past = read.value
      const now = decideAgain(past)
      const comparison = compare(past, now)
      counts[comparison]++
      if (comparison !== 'as-before' && comparison !== 'by-the-route')
        addTo(groups, describe(comparison, past, now), past.time)
    },
    report: () => ({
      decisions,
      others,
      counts,
      groups: [...groups.values()].toSorted((a, b) => b.count - a.count),
      badLines,
      firstBadLines,
    }),
  }
}

function compare({ before, decidedBy }: PastDecision, now: NewDecision): Comparison {
  // The route's own rules stay as they are, and what they deny no policy permits.
  if (decidedBy === 'route' && before.effect === 'deny') return 'by-the-route'
  if (now.effect === 'undecidable') return 'undecidable'
  if (now.effect !== before.effect) return 'otherwise'
  return decidedBy === 'route' || now.rule.split(' or ').includes(before.rule)
    ? 'as-before'
    : 'by-another-rule'
}

type GroupKey = Omit<ReplayGroup, 'count' | 'first' | 'last'>

function describe(comparison: Comparison, past: PastDecision, now: NewDecision): GroupKey {
  return {
    comparison,
    client: past.client,
    audience: past.audience === unknown ? 'an audience that the record does not hold' : past.audience,
    before: `${past.before.effect} by ${past.before.rule}`,
    after: now.effect === 'undecidable' ? 'undecidable' : `${now.effect} by ${now.rule}`,
    reason:
      now.effect === 'undecidable'
        ? `it depends on ${now.missing.join(', ')}`
        : now.effect === 'deny'
          ? now.reason
          : '',
  }
}

function addTo(groups: Map<string, ReplayGroup>, key: GroupKey, time: string): void {
  const text = JSON.stringify(Object.values(key))
  const known = groups.get(text)
  if (known === undefined) {
    groups.set(text, { ...key, count: 1, first: time, last: time })
    return
  }
  known.count++
  if (time < known.first) known.first = time
  if (time > known.last) known.last = time
}
