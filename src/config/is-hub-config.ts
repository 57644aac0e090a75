import { readTextFile } from '../base/text-file.ts'
import { readConfigSource } from './config-source.ts'

/** Whether a file is a hub's: it has `sts` and nothing of what only a sidecar has. False for what cannot be read. */
export function isHubConfig(file: string): boolean {
  const text = readTextFile(file)
  const value = text.ok ? readConfigSource(text.value, file, {}).value : undefined
  if (typeof value !== 'object' || value === null || !('sts' in value)) return false
  return !('service' in value) && !('upstream' in value) && !('routes' in value)
}
