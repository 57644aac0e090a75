import type { MatrixTable } from './matrix-table.ts'
import { plainText } from './phrase.ts'

/** What spreadsheets take for a formula, wherever it came from (OWASP, CSV injection). */
const formulaStart = /^[=+\-@\t\r\n]/

/**
 * The rows as CSV (RFC 4180): a header, CRLF, every field in quotes. A field that a spreadsheet would run begins with an
 * apostrophe, which makes it text there.
 */
export function renderMatrixCsv({ columns, rows }: MatrixTable): string {
  const lines = [columns, ...rows.map(row => row.map(plainText))]
  return lines.map(fields => `${fields.map(csvField).join(',')}\r\n`).join('')
}

function csvField(text: string): string {
  const safe = formulaStart.test(text) ? `'${text}` : text
  return `"${safe.replaceAll('"', '""')}"`
}
