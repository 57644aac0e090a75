/** A Markdown table with aligned columns, the way the formatter leaves it. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [header, ...rows].map(row => row.map(cell => cell.replaceAll('|', '\\|')))
  const widths = header.map((_, column) => Math.max(3, ...cells.map(row => row[column]?.length ?? 0)))
  const line = (row: readonly string[], filler: string): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width, filler)).join(' | ')} |`
  const [first = [], ...rest] = cells
  return [line(first, ' '), line([], '-'), ...rest.map(row => line(row, ' '))].join('\n')
}
