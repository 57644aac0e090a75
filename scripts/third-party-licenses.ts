import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
}

/**
 * The licences of the packages that modules came from, one after the other, as their terms ask of whoever passes
 * them on.
 *
 * @param modules paths of the modules that are inside
 * @throws Error for a package without a licence text
 */
export function describeLicenses(modules: readonly string[]): string {
  const folders = new Set(modules.flatMap(path => packageFolder(path) ?? []))
  const notices = [...folders].map(describePackage).sort()
  return `Hopgate contains these packages.\n${notices.join('')}`
}

/** The folder of the package that a module belongs to; undefined for our own. */
function packageFolder(module: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0]
}

function describePackage(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  const files = readdirSync(folder).filter(name => /^(licen[cs]e|copying|notice)\b/i.test(name))
  if (files.length === 0) throw new Error(`${manifest.name} has no licence text`)
  const texts = files.map(name => readFileSync(join(folder, name), 'utf8').trim())
  const title = `${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})`
  return `\n${'='.repeat(80)}\n${title}\n\n${texts.join('\n\n')}\n`
}
