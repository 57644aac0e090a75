import type { MatrixTable, Reach } from './matrix-table.ts'
import { describeScope } from './matrix-table.ts'
import { type Phrase, quoted } from './phrase.ts'

/** The table as Markdown (GFM), every quotation as code, so that nothing in it means anything to a renderer. */
export function renderMatrixMarkdown({ file, digest, columns, rows, overview }: MatrixTable): string {
  const reached = overview.clients.flatMap(client =>
    overview.audiences.flatMap((audience, index) =>
      (client.reach[index] ?? []).map(reach => [
        [quoted(client.id)],
        [quoted(client.kind)],
        [quoted(audience)],
        ...describeReach(reach),
      ]),
    ),
  )
  const idle = overview.clients.filter(({ reach }) => reach.every(one => one.length === 0))
  const unreached = overview.audiences.filter((_, index) =>
    overview.clients.every(({ reach }) => reach[index]?.length === 0),
  )
  return [
    '# Who may exchange what, for whom, into which audience',
    '',
    `Policy ${renderPhrase([quoted(file)])}, digest ${renderPhrase([quoted(digest)])}. What is not listed is refused; of the rules that`,
    'fit a request, the first decides.',
    '',
    '## Client by audience',
    '',
    ...table(['client', 'kind', 'audience', 'mode', 'scopes at most', 'on conditions only'], reached),
    '',
    ...idle.map(({ id }) => `- Client ${renderPhrase([quoted(id)])} may exchange nothing.`),
    ...unreached.map(id => `- Audience ${renderPhrase([quoted(id)])} is reached by nobody.`),
    ...(idle.length + unreached.length > 0 ? [''] : []),
    '## Rule by rule',
    '',
    ...table(columns, rows),
    '',
  ].join('\n')
}

function describeReach({ mode, scope, isConditional }: Reach): readonly Phrase[] {
  return [[mode], describeScope(scope), [isConditional ? 'yes' : 'no']]
}

function table(header: readonly string[], rows: readonly (readonly Phrase[])[]): readonly string[] {
  return [
    `| ${header.join(' | ')} |`,
    `|${' --- |'.repeat(header.length)}`,
    ...rows.map(row => `| ${row.map(renderPhrase).join(' | ')} |`),
  ]
}

function renderPhrase(phrase: Phrase): string {
  return phrase.map(part => (typeof part === 'string' ? part : codeSpan(part.quoted))).join('')
}

/** A code span in a table's cell: one line, a fence that is longer than any in the text, and no bar that ends the cell. */
function codeSpan(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').replaceAll('|', '\\|')
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  const pad = longest > 0 || /^ .* $/.test(line) || line === '' ? ' ' : ''
  return `${fence}${pad}${line}${pad}${fence}`
}
