import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node } from 'yaml'
import { type ConfigProblem, type DocumentPath, formatPath } from './config-problem.ts'
import { type Environment, type Substitution, substitute } from './environment.ts'
import { parseYamlDocument } from './yaml-document.ts'

/** Where something stands in the file, both 1-based. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A configuration file as plain data, which remembers where each value stands. */
export interface ConfigSource {
  readonly file: string
  /** Objects, arrays, text, numbers, booleans, nulls, with references to the environment resolved. */
  readonly value: unknown
  /** Whether the text could be read as YAML; if not, `value` means nothing. */
  readonly isReadable: boolean
  /** What is wrong with the text itself: YAML syntax, anchors, references that do not resolve. */
  readonly problems: readonly ConfigProblem[]
  /** Where a value, or the key that names it, stands. What is missing stands where its parent begins. */
  position(path: DocumentPath, part: 'key' | 'value'): Position
  /** The scalar at a path before its references were resolved; undefined when it has none. */
  substitution(path: DocumentPath): Substitution | undefined
}

/** Reads the text of a configuration file. Never throws: whatever is wrong is in `problems`. */
export function readConfigSource(text: string, file: string, env: Environment): ConfigSource {
  const lines = new LineCounter()
  const parsed = parseYamlDocument(text, lines)
  const walk = new SourceWalk(text, env)
  if (!parsed.ok) for (const fault of parsed.error) walk.faults.push({ path: [], ...fault })
  const value = parsed.ok ? walk.read(parsed.value, [], 0, 0) : undefined
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  return {
    file,
    value,
    isReadable: parsed.ok,
    problems: walk.faults.map(({ offset, path, ...fault }) => ({
      file,
      ...at(offset),
      path: formatPath(path),
      ...fault,
    })),
    position(path, part) {
      const exact = walk.places.get(pathKey(path))
      if (exact !== undefined) return at(part === 'key' ? exact.key : exact.value)
      for (let length = path.length - 1; length >= 0; length--) {
        const parent = walk.places.get(pathKey(path.slice(0, length)))
        if (parent !== undefined) return at(parent.value)
      }
      return { line: 1, column: 1 }
    },
    substitution: path => walk.substitutions.get(pathKey(path)),
  }
}

interface Fault {
  readonly offset: number
  readonly path: DocumentPath
  readonly found: string
  readonly expected?: string
}

/** Deeper documents are refused, so that nothing that walks them can run out of stack. */
const maxDepth = 32

class SourceWalk {
  readonly faults: Fault[] = []
  readonly places = new Map<string, { readonly key: number; readonly value: number }>()
  readonly substitutions = new Map<string, Substitution>()
  readonly #text: string
  readonly #env: Environment

  constructor(text: string, env: Environment) {
    this.#text = text
    this.#env = env
  }

  read(node: Node | null, path: DocumentPath, key: number, parent: number): unknown {
    const offset = node?.range?.[0] ?? parent
    this.places.set(pathKey(path), { key, value: offset })
    if (node === null) return null
    if (path.length > maxDepth) {
      return this.#refuse(offset, path, 'a value nested too deep', `at most ${maxDepth} levels`)
    }
    if (isAlias(node) || node.anchor !== undefined) {
      return this.#refuse(offset, path, 'an anchor or an alias', 'every value written out')
    }
    if (isMap<Node, Node | null>(node)) return this.#readMap(node.items, path, offset)
    if (isSeq<Node | null>(node)) {
      return node.items.map((item, index) => this.read(item, [...path, index], offset, offset))
    }
    if (!isScalar(node)) return this.#refuse(offset, path, 'a value of an unknown kind')
    return typeof node.value === 'string' ? this.#readText(node.value, path, offset) : node.value
  }

  #readMap(
    items: readonly { readonly key: Node; readonly value: Node | null }[],
    path: DocumentPath,
    offset: number,
  ): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    for (const { key, value } of items) {
      const at = key.range?.[0] ?? offset
      if (!isScalar(key) || key.anchor !== undefined || typeof key.value !== 'string') {
        this.#refuse(at, path, 'a key that is not plain text')
      } else if (key.value === '__proto__') {
        this.#refuse(at, path, 'the key __proto__')
      } else {
        map[key.value] = this.read(value, [...path, key.value], at, at)
      }
    }
    return map
  }

  #readText(written: string, path: DocumentPath, offset: number): string {
    const substitution = substitute(written, this.#env)
    if (substitution.text !== written) this.substitutions.set(pathKey(path), substitution)
    for (const { offset: inside, found, expected } of substitution.failures) {
      const at = this.#text.indexOf(written.slice(inside, inside + 3), offset + inside)
      this.#refuse(at < 0 ? offset : at, path, found, expected)
    }
    return substitution.text
  }

  #refuse(offset: number, path: DocumentPath, found: string, expected?: string): null {
    this.faults.push({ offset, path, found, ...(expected !== undefined && { expected }) })
    return null
  }
}

function pathKey(path: DocumentPath): string {
  return JSON.stringify(path)
}
