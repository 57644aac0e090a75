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
  const names = modules.map(RegExp.escape).join('|')
  // The module itself, and the exports of a CommonJS library that a file of the bundle holds in a function.
  const module = new RegExp(`^(?:let|const) (\\w+) = (require\\("(?:${names})"\\));$`, 'gm')
  const library = /^var (import_\w+) = (require_\w+\.require_\w+\(\));$/gm
  return {
    name: 'load-late',
    renderChunk(code) {
      const isChangedLater = (name: string): boolean => new RegExp(`^\\s*${name} = `, 'm').test(code)
      const late = code.replace(module, replace).replace(library, replace)
      function replace(declaration: string, name: string, load: string): string {
        return isChangedLater(name) ? declaration : `const ${name} = loadLate(() => ${load});`
      }
      // At the end, where no line moves away from its place in the source map; functions are hoisted.
      return late === code ? null : { code: `${late}\n${loadLateInBundle}\n`, map: null }
    },
  }
}

const loadLateInBundle = `function loadLate(load) {
  let module
  return new Proxy({}, { get: (_, name) => (module ??= load())[name] })
}`
