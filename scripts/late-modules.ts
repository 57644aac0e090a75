import type { Plugin } from 'rolldown'

/**
 * Makes the files of a bundle load modules at their first use instead of at the file's own start.
 *
 * Rolldown writes each use of an import as a property of its module, so that a stand-in for the module is enough; the
 * code that uses it stays as it is. What is read at a file's start is loaded there all the same, and so is what is
 * written in a way that is not known here: late loading changes when, never what.
 *
 * @param modules as the bundle names them: `node:tls`, `./library.js`
 */
export function loadLate(modules: readonly string[]): Plugin {
  return {
    name: 'load-late',
    renderChunk(code) {
      const late = standIn(code, new Set(modules))
      // At the end, where no line moves away from its place in the source map; functions are hoisted.
      return late === code ? null : { code: `${late}\n${loadLateInBundle}\n`, map: null }
    },
  }
}

const loadLateInBundle = `function loadLate(load) {
  let module
  return new Proxy({}, { get: (_, name) => (module ??= load())[name] })
}`

/** A module of Node, or another file of the bundle. */
const moduleDeclaration = /^(?:let|const) (\w+) = (require\("([^"]+)"\));$/gm
/** The exports of a CommonJS library, which another file of the bundle holds in a function. */
const libraryDeclaration = /^var (\w+) = ((\w+)\.require_\w+\(\));$/gm

function standIn(code: string, modules: ReadonlySet<string>): string {
  const late = new Set<string>()
  const replace = (declaration: string, name: string, load: string): string => {
    const isChangedLater = new RegExp(`^${name} = `, 'm').test(code)
    if (isChangedLater) return declaration
    late.add(name)
    return `const ${name} = loadLate(() => ${load});`
  }
  return code
    .replace(moduleDeclaration, (declaration, name: string, load: string, module: string) =>
      modules.has(module) ? replace(declaration, name, load) : declaration,
    )
    .replace(libraryDeclaration, (declaration, name: string, load: string, file: string) =>
      late.has(file) ? replace(declaration, name, load) : declaration,
    )
}
