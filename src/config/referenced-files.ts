import { isJsonObject } from '../base/strict-json.ts'
import { readConfigSource } from './config-source.ts'
import type { Environment } from './environment.ts'
import { createFileReader } from './file-reader.ts'

/** Keys whose `file` becomes part of the configuration. Key files are read again by whoever uses them. */
const takenIn: ReadonlySet<string> = new Set(['secret', 'redis', 'jwks'])

/** The absolute paths of the files whose content a configuration takes in. */
export function referencedFiles(text: string, configFile: string, env: Environment): readonly string[] {
  const { value } = readConfigSource(text, configFile, env)
  const files = createFileReader(configFile)
  const policy = isJsonObject(value) && typeof value['policy'] === 'string' ? [value['policy']] : []
  return [...new Set([...policy, ...namedFiles(value)].map(name => files.resolve(name)))]
}

function namedFiles(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, entry]) => {
    const references = takenIn.has(key) ? [entry].flat().flatMap(fileOf) : []
    return references.length > 0 ? references : namedFiles(entry)
  })
}

function fileOf(entry: unknown): readonly string[] {
  const isReference = typeof entry === 'object' && entry !== null && 'file' in entry
  return isReference && typeof entry.file === 'string' ? [entry.file] : []
}
