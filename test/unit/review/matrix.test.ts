import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { renderMatrixCsv } from '../../../src/review/matrix-csv.ts'
import { renderMatrixHtml } from '../../../src/review/matrix-html.ts'
import { renderMatrixMarkdown } from '../../../src/review/matrix-markdown.ts'
import { createMatrixTable, type MatrixTable } from '../../../src/review/matrix-table.ts'
import { parseTestPolicy } from '../../support/policy.ts'

const usual = createMatrixTable(
  parseTestPolicy(`
clients: { orders: { kind: service }, acme: { kind: partner }, idle: { kind: worker } }
audiences:
  orders-api: { scopes: [orders:read, orders:write], served_by: [orders] }
  lonely-api: {}
rules:
  - id: support
    who: { client: [orders], actor: { subject: ['agent-*'], roles: [support, lead], tenant: as-subject } }
    for: { kind: [user], tenant: [blue], attributes: { plan: [gold, 1] } }
    into: own
    scopes: [orders:read]
    when: subject.plan == "gold" || token.scope.size() > 1
    ttl: 90s
    require:
      case_id: CASE-[0-9]+
      acr: [mfa]
      max_age: 15m
      environment: [staging, production]
      business_hours: { days: [mon, wed], from: '08:00', to: '18:30', timezone: Europe/Berlin }
  - { id: partner, mode: machine, who: { kind: [partner] }, into: [orders-api], scopes: [orders:read] }
`),
  'policy.yaml',
)

/** Names that a client may have and that mean something to who shows them. */
const hostile = createMatrixTable(
  parseTestPolicy(`
clients: { '=1+1': { kind: service }, '<script>alert(1)</script>': { kind: service }, 'a|b\`c"d': { kind: service } }
audiences: { '@api': { scopes: ['-x'] }, '"><img/src=x>': {} }
rules:
  - id: all
    who: { kind: [service] }
    for: {}
    into: ['@api', '"><img/src=x>']
    when: subject.name == "'</style><script>" || true
`),
  '</title><script>.yaml',
)

describe('a rule for tickets', () => {
  it('says that it is for tickets, and of which purposes', () => {
    const rules = (['issue', 'redeem'] as const).map(
      step =>
        `  - { id: ${step}, who: { kind: [service] }, for: {}, into: [a], ticket: { ${step}: [export, mail] } }`,
    )
    const clients = 'clients: { b: { kind: service } }\naudiences: { a: {} }'
    const document = parseTestPolicy(`${clients}\nrules:\n${rules.join('\n')}\n`)
    const text = renderMatrixMarkdown(createMatrixTable(document, 'policy.yaml'))
    expect(text).toContain('to issue a ticket for')
    expect(text).toContain('to redeem a ticket for')
    expect(text).toContain('mail')
  })
})

describe('the matrix in words', () => {
  it('says every condition of a rule', () => {
    expect(renderMatrixMarkdown(usual)).toBe(`# Who may exchange what, for whom, into which audience

Policy \`policy.yaml\`, digest \`${usual.digest}\`. What is not listed is refused; of the rules that
fit a request, the first decides.

## Client by audience

| client | kind | audience | mode | scopes at most | on conditions only |
| --- | --- | --- | --- | --- | --- |
| \`acme\` | \`partner\` | \`orders-api\` | machine | \`orders:read\` | no |
| \`orders\` | \`service\` | \`orders-api\` | delegation | \`orders:read\` | yes |

- Client \`idle\` may exchange nothing.
- Audience \`lonely-api\` is reached by nobody.

## Rule by rule

| rule | mode | client | actor | subject | audience | scopes | life | conditions |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| \`support\` | delegation | \`orders\` | \`agent-*\` with role \`support\` or \`lead\` of the same tenant as the subject | user of tenant \`blue\` with \`plan\` \`"gold"\` or \`1\` | \`orders-api\` | \`orders:read\` | at most 90s | when \`subject.plan == "gold" \\|\\| token.scope.size() > 1\`; in \`staging\` or \`production\`; Mon, Wed 08:00–18:30 Europe/Berlin; case id \`CASE-[0-9]+\`; login of class \`mfa\`; login within 15m |
| \`partner\` | machine | \`acme\` | nobody | the client itself | \`orders-api\` | \`orders:read\` | the token service's | none |
`)
  })
})

describe('the matrix as Markdown', () => {
  it('lets no name end its cell or its code', () => {
    const lines = renderMatrixMarkdown(hostile)
      .split('\n')
      .filter(line => line.startsWith('| ``'))
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(line).toContain('| `` a\\|b`c"d `` |')
    const outside = renderMatrixMarkdown(hostile).replace(/(`+)(?!`).*?(?<!`)\1(?!`)/g, '')
    expect(outside).not.toContain('<')
  })
})

describe('the matrix as CSV', () => {
  it('has every row with every column, in quotes, with CRLF', () => {
    const text = renderMatrixCsv(usual)
    expect(readCsv(text)).toEqual([
      usual.columns,
      expect.arrayContaining(['support', 'orders', 'orders-api', 'at most 90s']),
      [
        'partner',
        'machine',
        'acme',
        'nobody',
        'the client itself',
        'orders-api',
        'orders:read',
        "the token service's",
        'none',
      ],
    ])
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
  })

  it('makes text of what a spreadsheet would run', () => {
    const cells = readCsv(renderMatrixCsv(hostile)).flat()
    expect(cells).toContain("'=1+1")
    expect(cells).toContain("'@api")
    expect(cells).toContain("'-x")
    expect(cells).toContain('a|b`c"d')
    expect(cells.filter(cell => /^[=+\-@\t\r\n]/.test(cell))).toEqual([])
  })
})

describe('the matrix as a page', () => {
  const page = (table: MatrixTable) => renderMatrixHtml(table)

  it('allows nothing but its own style', () => {
    const text = page(usual)
    const [, style = ''] = /<style>([\s\S]*?)<\/style>/.exec(text) ?? []
    const hash = createHash('sha256').update(style).digest('base64')
    expect(text).toContain(
      `content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'"`,
    )
    expect(text).not.toMatch(/<(script|link|img|iframe)\b|\son[a-z]+=|(?:src|href)=/i)
  })

  it('makes no markup of what the policy says', () => {
    const tags = (table: MatrixTable) =>
      new Set([...page(table).matchAll(/<\/?[a-z0-9]+/gi)].map(([tag]) => tag))
    expect([...tags(hostile)].filter(tag => !tags(usual).has(tag))).toEqual([])
    expect(page(hostile)).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(page(hostile)).toContain('<title>Policy matrix of &lt;/title&gt;&lt;script&gt;.yaml</title>')
  })

  it('shows every client at every audience, and nothing where there is nothing', () => {
    const text = page(usual)
    const rows = [...text.matchAll(/<tr><th scope="row">.*?<\/tr>/g)].map(([row]) => row)
    expect(rows.map(row => row.split('<td').length - 1)).toEqual([2, 2, 2])
    expect(rows.find(row => row.includes('idle'))).toContain(
      '<td class="empty">–</td><td class="empty">–</td>',
    )
  })
})

/** RFC 4180, read back strictly. */
function readCsv(text: string): string[][] {
  expect(text.endsWith('\r\n')).toBe(true)
  return text
    .slice(0, -2)
    .split('\r\n')
    .map(line => {
      expect(line).toMatch(/^"(?:[^"]|"")*"(?:,"(?:[^"]|"")*")*$/)
      return [...line.matchAll(/"((?:[^"]|"")*)"/g)].map(([, field = '']) => field.replaceAll('""', '"'))
    })
}
