import { createHash } from 'node:crypto'
import { escapeMarkup } from '../base/markup-text.ts'
import { describeScope, type MatrixOverview, type MatrixTable, type Reach } from './matrix-table.ts'
import type { Phrase } from './phrase.ts'

const style = `
:root { color-scheme: light dark; --line: light-dark(#d5d9de, #3b4149); --soft: light-dark(#f4f6f8, #20252b);
  --ink: light-dark(#1b1f24, #e6e9ec); --quiet: light-dark(#5a636e, #9aa4b0); --page: light-dark(#fff, #15181c);
  --mark: light-dark(#9a5b00, #e5b567); }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 110rem; color: var(--ink); background: var(--page);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .5rem; }
p { margin: .25rem 0; color: var(--quiet); max-width: 60rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .7rem; border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; }
thead th { background: var(--soft); font-weight: 600; white-space: nowrap; }
tbody th, td:first-child { white-space: nowrap; }
code { font: .92em ui-monospace, monospace; overflow-wrap: break-word; }
td div + div { margin-top: .35rem; }
.kind, .mode { color: var(--quiet); font-weight: 400; }
.empty { color: var(--quiet); text-align: center; }
.when { color: var(--mark); }
@media print { body { max-width: none; padding: 0; } .scroll { overflow: visible; } }
`

/** The table as one page that needs nothing else: no script, no address, and a policy of its own that allows none. */
export function renderMatrixHtml({ file, digest, columns, rows, overview }: MatrixTable): string {
  const hash = createHash('sha256').update(style).digest('base64')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Policy matrix of ${escapeMarkup(file)}</title>
<style>${style}</style>
</head>
<body>
<h1>Who may exchange what, for whom, into which audience</h1>
<p>Policy <code>${escapeMarkup(file)}</code>, digest <code>${escapeMarkup(digest)}</code>. What is not listed is refused; of the rules that fit a request, the first decides.</p>
<h2>Client by audience</h2>
<p>What a client can have at most. <span class="when">On conditions</span>: every rule behind it asks something of the occasion.</p>
${renderOverview(overview)}
<h2>Rule by rule</h2>
<div class="scroll"><table>
<thead><tr>${columns.map(column => `<th scope="col">${escapeMarkup(column)}</th>`).join('')}</tr></thead>
<tbody>
${rows.map(row => `<tr>${row.map(renderCell).join('')}</tr>`).join('\n')}
</tbody>
</table></div>
</body>
</html>
`
}

function renderOverview({ audiences, clients }: MatrixOverview): string {
  const head = audiences.map(audience => `<th scope="col"><code>${escapeMarkup(audience)}</code></th>`)
  const body = clients.map(({ id, kind, reach }) => {
    const name = `<code>${escapeMarkup(id)}</code> <span class="kind">${escapeMarkup(kind)}</span>`
    return `<tr><th scope="row">${name}</th>${reach.map(renderReach).join('')}</tr>`
  })
  return `<div class="scroll"><table>
<thead><tr><th scope="col">client</th>${head.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody>
</table></div>`
}

function renderReach(reach: readonly Reach[]): string {
  if (reach.length === 0) return '<td class="empty">–</td>'
  const each = reach.map(({ mode, scope, isConditional }) => {
    const mark = isConditional ? ' <span class="when">on conditions</span>' : ''
    return `<div><span class="mode">${mode}</span>${mark}<br>${renderPhrase(describeScope(scope))}</div>`
  })
  return `<td>${each.join('')}</td>`
}

function renderCell(phrase: Phrase): string {
  return `<td>${renderPhrase(phrase)}</td>`
}

function renderPhrase(phrase: Phrase): string {
  return phrase
    .map(part =>
      typeof part === 'string' ? escapeMarkup(part) : `<code>${escapeMarkup(part.quoted)}</code>`,
    )
    .join('')
}
