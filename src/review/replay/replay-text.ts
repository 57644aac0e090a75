import type { Comparison, ReplayGroup, ReplayReport } from './replay.ts'

const headings: Readonly<Partial<Record<Comparison, string>>> = {
  otherwise: 'Decided otherwise',
  'by-another-rule': 'Decided the same, but by another rule',
  undecidable: 'Undecidable from the record',
}

/** The report for people. */
export function replayText({
  decisions,
  others,
  counts,
  groups,
  badLines,
  firstBadLines,
}: ReplayReport): string {
  const summary = [
    `${decisions} decisions: ${counts['as-before']} as before, ${counts.otherwise} otherwise, ${counts['by-another-rule']} by another rule, ${counts.undecidable} undecidable, ${counts['by-the-route']} denied by the route itself`,
    `${others} events that no policy decides, ${badLines} lines that are none`,
  ]
  const sections = Object.entries(headings).flatMap(([comparison, heading]) => {
    const some = groups.filter(group => group.comparison === comparison)
    return some.length === 0 ? [] : ['', heading, ...some.flatMap(groupLines)]
  })
  const bad = firstBadLines.map(({ file, line, reason }) => `  ${file}:${line}: ${reason}`)
  return [
    ...summary,
    ...sections,
    ...(bad.length === 0 ? [] : ['', 'Lines that are no events', ...bad]),
    '',
  ].join('\n')
}

function groupLines({
  count,
  client,
  audience,
  before,
  after,
  reason,
  first,
  last,
}: ReplayGroup): readonly string[] {
  const why = reason === '' ? '' : `: ${reason}`
  return [
    `  ${String(count).padStart(6)}  ${plain(client)} → ${plain(audience)}: ${plain(before)} → ${plain(after)}${plain(why)}`,
    `          ${plain(first)} to ${plain(last)}`,
  ]
}

/** What comes out of a file cannot command a terminal. */
function plain(text: string): string {
  return text.replaceAll(
    /[^\x20-\x7e→…]/gu,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
