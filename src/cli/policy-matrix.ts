import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { formatProblems } from '../config/config-problem.ts'
import { loadPolicy } from '../config/load.ts'
import { renderMatrixCsv } from '../review/matrix-csv.ts'
import { renderMatrixHtml } from '../review/matrix-html.ts'
import { renderMatrixMarkdown } from '../review/matrix-markdown.ts'
import { createMatrixTable, type MatrixTable } from '../review/matrix-table.ts'
import { policyWarnings } from '../review/policy-warnings.ts'
import type { Command } from './command.ts'

const formats: Readonly<Record<string, (table: MatrixTable) => string>> = {
  markdown: renderMatrixMarkdown,
  csv: renderMatrixCsv,
  html: renderMatrixHtml,
}

/**
 * `hopgate policy matrix FILE [--format markdown|csv|html] [--out FILE]`: everything that a policy permits, as a table.
 * Exits 1 for a policy that is not good or an output file that cannot be written.
 */
export const policyMatrix: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write('Usage: hopgate policy matrix FILE [--format markdown|csv|html] [--out FILE]\n')
    return 2
  }
  const loaded = loadPolicy(options.file)
  if (!loaded.ok) {
    output.stderr.write(formatProblems(loaded.error))
    return 1
  }
  for (const warning of policyWarnings(loaded.value)) {
    output.stderr.write(`${options.file}: warning: ${warning}\n`)
  }
  const text = options.render(createMatrixTable(loaded.value, options.file))
  if (options.out === undefined) {
    output.stdout.write(text)
    return 0
  }
  try {
    writeFileSync(options.out, text)
    return 0
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    output.stderr.write(`hopgate: ${options.out} cannot be written (${reason})\n`)
    return 1
  }
}

interface Options {
  readonly file: string
  readonly render: (table: MatrixTable) => string
  readonly out: string | undefined
}

function readOptions(args: string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { format: { type: 'string' }, out: { type: 'string' } },
      allowPositionals: true,
    })
    const [file, ...more] = positionals
    const format = values.format ?? 'markdown'
    const render = Object.hasOwn(formats, format) ? formats[format] : undefined
    return file === undefined || more.length > 0 || render === undefined
      ? undefined
      : { file, render, out: values.out }
  } catch {
    return undefined
  }
}
