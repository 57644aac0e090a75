import { fail, ok, type Result } from './result.ts'

/** One block of a PEM file, with its first and its last line. */
export interface PemBlock {
  /** Such as `CERTIFICATE`. */
  readonly label: string
  readonly text: string
}

/**
 * Splits a PEM file into its blocks (RFC 7468). Other text between them is left out. A block that is cut or broken is an
 * error, where TLS libraries just stop reading. The error follows "a file that".
 */
export function readPemBlocks(text: string): Result<readonly PemBlock[], string> {
  if (text.trim() === '') return fail('is empty')
  const blocks: PemBlock[] = []
  let open: { readonly label: string; readonly lines: string[] } | undefined
  for (const line of text.split('\n')) {
    const [, kind, label = ''] = /^-----(BEGIN|END) ([A-Z0-9 ]+)-----\s*$/.exec(line) ?? []
    if (kind === undefined && line.startsWith('-----')) return fail(broken)
    if (kind === 'BEGIN') {
      if (open !== undefined) return fail(broken)
      open = { label, lines: [] }
    }
    open?.lines.push(line.trimEnd())
    if (kind === 'END') {
      if (open?.label !== label) return fail(broken)
      blocks.push({ label, text: `${open.lines.join('\n')}\n` })
      open = undefined
    }
  }
  return open === undefined ? ok(blocks) : fail(broken)
}

const broken = 'holds a PEM block that is cut or broken'
