import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The Debian package that has a program, where it is not called like it. */
const packages: Readonly<Record<string, string>> = {
  h2load: 'nghttp2-client',
  'redis-server': 'redis-server',
  taskset: 'util-linux',
}

/** Where programs are that the search path of an ordinary user leaves out. */
const systemFolders = ['/usr/sbin', '/usr/local/sbin']

/** The path of a program, if it is installed. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '')
  return [...folders, ...systemFolders].map(folder => join(folder, name)).find(isExecutable)
}

/** For people: which of the programs are missing and how to get them; undefined when none is. */
export function describeMissing(names: readonly string[]): string | undefined {
  const missing = names.filter(name => findProgram(name) === undefined)
  if (missing.length === 0) return undefined
  const wanted = missing.map(name => packages[name] ?? name).join(' ')
  return `not installed: ${missing.join(', ')} (on Debian: apt-get install ${wanted})`
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
