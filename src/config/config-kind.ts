import { isJsonObject } from '../base/strict-json.ts'
import { readTextFile } from '../base/text-file.ts'
import { readConfigSource } from './config-source.ts'

/** What a file configures. */
export type ConfigKind = 'sidecar' | 'hub' | 'policy'

/**
 * Tells by its top-level keys what a file configures: a hub has `sts` and nothing of what only a sidecar has, a policy has
 * `rules`. Whatever cannot be read counts as a sidecar's, so that its problems are told.
 */
export function configKind(file: string): ConfigKind {
  const text = readTextFile(file)
  const value = text.ok ? readConfigSource(text.value, file, {}).value : undefined
  if (!isJsonObject(value) || 'service' in value || 'upstream' in value || 'routes' in value) return 'sidecar'
  if ('sts' in value) return 'hub'
  return 'rules' in value ? 'policy' : 'sidecar'
}
