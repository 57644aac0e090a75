import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../base/result.ts'
import { readTextFile } from '../base/text-file.ts'
import type { ConfigProblem } from './config-problem.ts'
import { readConfigSource } from './config-source.ts'
import type { Environment } from './environment.ts'

/** What a YAML file is for, by the keys that it has. */
export type ConfigKind = 'sidecar' | 'hub' | 'other'

/** The YAML files below a folder in the order of their names; a file stands for itself. */
export function findYamlFiles(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const inside = join(path, entry.name)
      if (entry.isDirectory()) return /^(?:\.|node_modules$)/.test(entry.name) ? [] : findYamlFiles(inside)
      return /\.ya?ml$/.test(entry.name) ? [inside] : []
    })
}

/** Tells a sidecar's configuration from a hub's and from whatever else is YAML. */
export function configKind(file: string): ConfigKind {
  const text = readTextFile(file)
  const value = text.ok ? readConfigSource(text.value, file, {}).value : undefined
  if (typeof value !== 'object' || value === null) return 'other'
  if ('upstream' in value && 'routes' in value) return 'sidecar'
  return 'sts' in value && !('service' in value) && !('upstream' in value) && !('routes' in value)
    ? 'hub'
    : 'other'
}

/**
 * Loads a configuration of which only matters what it decides: variables that are not set are made up where a secret or the
 * address of a Redis is meant, so that whoever reviews needs none. Anywhere else they are a problem as usual.
 */
export function loadForReview<T>(
  load: (env: Environment) => Result<T, readonly ConfigProblem[]>,
  env: Environment,
): Result<T, readonly ConfigProblem[]> {
  const loaded = load(env)
  if (loaded.ok) return loaded
  const madeUp: Record<string, string> = {}
  for (const { path, found } of loaded.error) {
    const [, name] = /^\$\{(\w+)\}, which is not set$/.exec(found) ?? []
    const place = places.find(({ pattern }) => pattern.test(path))
    if (name !== undefined && place !== undefined) madeUp[name] = place.value
  }
  return Object.keys(madeUp).length === 0 ? loaded : load({ ...env, ...madeUp })
}

/** Where nothing is decided. */
const places: readonly { readonly pattern: RegExp; readonly value: string }[] = [
  { pattern: /(?:^|\.)secrets?(?:\[\d+\])?$/, value: 'made-up-for-the-review' },
  { pattern: /^sts\.tickets\.key$/, value: 'made-up-for-the-review-of-a-policy' },
  { pattern: /(?:^|\.)redis$/, value: 'redis://127.0.0.1' },
  { pattern: /^(?:cache\.prefix|audit\.file)$/, value: 'made-up' },
]
