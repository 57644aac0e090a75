/** One thing that is wrong with a configuration, with its place and without any secret value. */
export interface ConfigProblem {
  readonly file: string
  /** 1-based; absent when the file could not be read at all. */
  readonly line?: number
  /** 1-based, in UTF-16 units. */
  readonly column?: number
  /** Where in the document, such as `routes[0].methods[1]`; empty for the document itself. */
  readonly path: string
  readonly found: string
  readonly expected?: string
  /** The known word that is nearest to an unknown one. */
  readonly suggestion?: string
}

/** A place in a document: keys and indexes from the root. */
export type DocumentPath = readonly (string | number)[]

/** Prints problems, each on a line of its own: `FILE:LINE:COL: PATH: found …; expected …; did you mean "x"?`. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems.map(problem => `${formatProblem(problem)}\n`).join('')
}

function formatProblem(problem: ConfigProblem): string {
  const place = problem.line === undefined ? '' : `:${problem.line}:${problem.column}`
  let text = `${problem.file}${place}: ${problem.path === '' ? '' : `${problem.path}: `}found ${problem.found}`
  if (problem.expected !== undefined) text += `; expected ${problem.expected}`
  if (problem.suggestion !== undefined) text += `; did you mean ${quoteText(problem.suggestion)}?`
  return text
}

/** Prints a path the way it would be written in JavaScript: `sts.clients[0].audiences["orders api"]`. */
export function formatPath(path: DocumentPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${quoteText(step)}]`
  }
  return text
}

/** Quotes and shortens a text so that it stays on its line and cannot command a terminal. */
export function quoteText(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return JSON.stringify(short).replace(
    /[^\x20-\x7e…]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
