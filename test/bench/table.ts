/** One row of a table: a cell for each column's title. */
export type TableRow = Readonly<Record<string, string>>

/** A Markdown table whose columns are those of the first row. */
export function formatTable(rows: readonly TableRow[]): string {
  const titles = Object.keys(rows[0] ?? {})
  const cells = [titles, ...rows.map(row => titles.map(title => row[title] ?? ''))]
  const widths = titles.map((_, column) => Math.max(...cells.map(line => line[column]?.length ?? 0)))
  const format = (line: readonly string[]): string =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = cells
  return [format(head), format(widths.map(width => '-'.repeat(width))), ...body.map(format)].join('\n')
}

/** A figure with so many digits after the point; a dash for what was not measured. */
export function formatNumber(value: number | undefined, digits = 0): string {
  return value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits)
}
