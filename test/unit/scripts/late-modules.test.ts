import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { loadLate } from '../../../scripts/late-modules.ts'

/** Runs a file of a bundle. Answers what it says, and what it had loaded by then and has loaded in the end. */
function runLate(code: string, modules: Readonly<Record<string, object>>) {
  const loaded: string[] = []
  const require = (name: string): object => {
    loaded.push(name)
    return modules[name] ?? {}
  }
  const { renderChunk } = loadLate(Object.keys(modules))
  const rendered = (renderChunk as (code: string) => { code: string } | null)(code)
  const after = runInNewContext(rendered?.code ?? code, { require }) as () => unknown
  return { isChanged: rendered !== null, before: [...loaded], said: after(), loaded }
}

describe('a module that is loaded late', () => {
  it('is loaded once, when something of it is used', () => {
    const code = 'let node_tls = require("node:tls");\n() => [(0, node_tls.a)(), node_tls.b, node_tls.b]'
    const { before, said, loaded } = runLate(code, { 'node:tls': { a: () => 1, b: 2 } })
    expect(before).toEqual([])
    expect(said).toEqual([1, 2, 2])
    expect(loaded).toEqual(['node:tls'])
  })

  it('may be a CommonJS library in another file', () => {
    const code = [
      'const require_proxy = require("./proxy.js");',
      'var import_lib = require_proxy.require_lib();',
      '() => import_lib.open()',
    ].join('\n')
    const { before, said } = runLate(code, { './proxy.js': { require_lib: () => ({ open: () => 'open' }) } })
    expect(before).toEqual([])
    expect(said).toBe('open')
  })

  it('is loaded at the start of a file that uses it there', () => {
    const code = 'let node_tls = require("node:tls");\nconst { b } = node_tls;\n() => b'
    const { before, said } = runLate(code, { 'node:tls': { b: 2 } })
    expect(before).toEqual(['node:tls'])
    expect(said).toBe(2)
  })

  it('is left as it is where it is not only read', () => {
    const code =
      'let node_tls = require("node:tls");\nnode_tls = wrap(node_tls);\nfunction wrap(m) { return { default: m } }\n() => node_tls.default.b'
    const { isChanged, said } = runLate(code, { 'node:tls': { b: 2 } })
    expect(isChanged).toBe(false)
    expect(said).toBe(2)
  })
})

it('leaves every other module alone', () => {
  const code =
    'let node_net = require("node:net");\nvar import_lib = node_net.require_lib();\n() => import_lib'
  const { renderChunk } = loadLate(['node:tls'])
  expect((renderChunk as (code: string) => unknown)(code)).toBeNull()
})
