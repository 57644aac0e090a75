import { type ErrorCode, type LineCounter, type Node, parseDocument } from 'yaml'
import { fail, ok, type Result } from '../base/result.ts'

/** What is wrong with a YAML text, and at which offset. The words are ours: the library's may quote the text. */
export interface YamlFault {
  readonly offset: number
  readonly found: string
  readonly expected?: string
}

/** A longer text is refused before it is parsed. */
const maxLength = 1024 * 1024
/** So are more brackets inside each other: the parser's time grows with the square of their number. */
const maxOpenBrackets = 100

/**
 * Parses one YAML 1.2 document with the core schema: keys are text and unique, no custom tags, no directives.
 * Anchors and aliases are for the caller to refuse. Never throws.
 */
export function parseYamlDocument(
  text: string,
  lineCounter: LineCounter,
): Result<Node | null, readonly YamlFault[]> {
  if (text.length > maxLength) return fail([{ offset: 0, found: 'more text than 1 MiB' }])
  if (hasDeepBrackets(text)) return fail([{ offset: 0, found: 'brackets nested too deep somewhere' }])
  try {
    const document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      strict: true,
      uniqueKeys: true,
      stringKeys: true,
      prettyErrors: false,
      // Not 'silent', which would also let a second document pass.
      logLevel: 'error',
      lineCounter,
    })
    const faults: YamlFault[] = [...document.errors, ...document.warnings].map(({ code, pos }) => ({
      offset: pos[0],
      ...(faultsByCode[code] ?? notYaml(text, pos[0])),
    }))
    if (document.directives.yaml.explicit === true) faults.push({ offset: 0, found: 'a %YAML directive' })
    return faults.length > 0 ? fail(withoutEchoes(faults)) : ok(document.contents as Node | null)
  } catch {
    return fail([{ offset: 0, found: 'text that the YAML parser gave up on; it may be nested too deep' }])
  }
}

/** A rough count that knows nothing of quotes: no configuration comes near the bound. */
function hasDeepBrackets(text: string): boolean {
  let open = 0
  for (const [bracket] of text.matchAll(/[[{\]}]/g)) {
    open = bracket === '[' || bracket === '{' ? open + 1 : Math.max(0, open - 1)
    if (open > maxOpenBrackets) return true
  }
  return false
}

/** Inside { } and [ ], a brace in a value without quotes, as in `${NAME}` and `/orders/{id}`, ends being YAML. */
function notYaml(text: string, offset: number): Omit<YamlFault, 'offset'> {
  const end = text.indexOf('\n', offset)
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, end < 0 ? undefined : end)
  const hasBrace = /[{[].*[^\s,:{["']\{/.test(line)
  return { found: notYamlText, ...(hasBrace && { expected: 'quotes around values that hold braces' }) }
}

const notYamlText = 'text that is not YAML'

/** Where YAML ends being YAML, the parser complains about every token that follows; only the first one helps. */
function withoutEchoes(faults: readonly YamlFault[]): readonly YamlFault[] {
  const first = faults.findIndex(({ found }) => found === notYamlText)
  return faults.filter(({ found }, index) => found !== notYamlText || index === first)
}

const faultsByCode: Partial<Record<ErrorCode, { readonly found: string; readonly expected?: string }>> = {
  BAD_INDENT: { found: 'an indentation that fits no level above' },
  BAD_DQ_ESCAPE: { found: 'an unknown \\ escape in double quotes', expected: 'single quotes, or \\\\' },
  BAD_SCALAR_START: { found: 'a value that begins with a reserved character', expected: 'quotes around it' },
  BLOCK_AS_IMPLICIT_KEY: {
    found: 'a mapping inside a value on the same line',
    expected: 'quotes or a new line',
  },
  BLOCK_IN_FLOW: { found: 'an indented block inside { } or [ ]' },
  DUPLICATE_KEY: { found: 'the same key twice', expected: 'every key once' },
  MISSING_CHAR: { found: 'a missing quote, comma, colon, bracket or blank' },
  MULTILINE_IMPLICIT_KEY: { found: 'a key that goes over several lines; a colon may be missing' },
  MULTIPLE_DOCS: { found: 'a second document', expected: 'one document in the file' },
  NON_STRING_KEY: { found: 'a key that is not plain text' },
  TAB_AS_INDENT: { found: 'a tab as indentation', expected: 'spaces' },
  TAG_RESOLVE_FAILED: { found: 'a tag, or a value that its tag does not fit', expected: 'no tags' },
}
