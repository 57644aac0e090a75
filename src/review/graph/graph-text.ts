import { findChains } from './chains.ts'
import { describeEntry, describeScope, describeVia } from './describe.ts'
import type { Finding } from './findings.ts'
import type { PolicyGraph } from './graph.ts'
import type { Reach, Step } from './reach.ts'

/** The graph for people: what each entry leads to, and then what is wrong. */
export function graphText({ system, reaches, findings }: PolicyGraph): string {
  const { gates, servers } = system
  const routes = gates.reduce((sum, gate) => sum + gate.routes.length, 0)
  const head = `${count(gates, 'sidecar')} with ${routes} protected ${routes === 1 ? 'route' : 'routes'}, ${count(servers, 'token service')}, ${count(reaches, 'entry', 'entries')}\n`
  const rest = system.notFollowed.map(what => `Not followed: ${what}\n`)
  return [head, ...reaches.map(reachText), ...rest, findingsText(findings)].join('\n')
}

/** A tree: what hangs below a line begins with what the line ends with. */
function reachText(reach: Reach): string {
  const { chains, isCut } = findChains(reach)
  const lines = new Map<string, string>()
  // A chain is told after those that it continues, so that it can be put below them.
  for (const steps of chains)
    lines.set(steps.map(step => `${describeVia(step.via)} ${stepText(step)}`).join('\0'), lineOf(steps))
  const sorted = [...lines].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return [
    describeEntry(reach.entry),
    ...sorted.map(([, line]) => line),
    ...(isCut ? ['  … and longer chains, which are not listed'] : []),
    '',
  ].join('\n')
}

/** The first way is the entry itself, so it is not told again. */
function lineOf(steps: readonly Step[]): string {
  const last = steps.at(-1)
  if (last === undefined) return ''
  const text = steps.length === 1 ? stepText(last) : `${describeVia(last.via)} ${stepText(last)}`
  return `${'  '.repeat(steps.length)}${text}`
}

function stepText({ outcome: { token, rules } }: Step): string {
  const by = rules.length === 0 ? '' : ` by ${[...new Set(rules)].join(', ')}`
  return `→ ${token.audience}: ${describeScope(token)}${by}`
}

/** What is wrong, one paragraph each. */
export function findingsText(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'Nothing is wrong.\n'
  return findings
    .map(({ kind, message, because }) =>
      [`${kind}: ${message}`, ...because.map(line => `  ${line}`), ''].join('\n'),
    )
    .join('')
}

function count(items: readonly unknown[], noun: string, plural = `${noun}s`): string {
  return `${items.length} ${items.length === 1 ? noun : plural}`
}
