import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ok, type Result } from '../base/result.ts'
import { readTextFile } from '../base/text-file.ts'
import type { ConfigProblem } from './config-problem.ts'
import { readConfigSource } from './config-source.ts'
import type { ReadText } from './config-texts.ts'
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
 * Loads a configuration of which only matters what it decides: secrets, addresses of Redis and public keys that are not at hand
 * are made up, so that whoever reviews needs none. Anything else that is missing is a problem as usual.
 */
export function loadForReview<T>(
  load: (env: Environment, readText: ReadText) => Result<T, readonly ConfigProblem[]>,
  env: Environment,
): Result<T, readonly ConfigProblem[]> {
  const loaded = load(env, readTextFile)
  if (loaded.ok) return loaded
  const set: Record<string, string> = {}
  for (const { path, found } of loaded.error) {
    const [, name] = /^\$\{(\w+)\}, which is not set$/.exec(found) ?? []
    if (name !== undefined && undecided.test(path)) set[name] = madeUp
  }
  // A policy that is missing is not made up by this: the text is none.
  return load({ ...env, ...set }, path => {
    const text = readTextFile(path)
    return text.ok ? text : ok(/public|jwks|\.json$/i.test(path) ? madeUpKeys : madeUp)
  })
}

/** Where nothing is decided. */
const undecided =
  /(?:^|\.)(?:secrets?(?:\[\d+\])?|redis)$|^(?:sts\.tickets\.key|cache\.prefix|audit\.file|exchange\.client\.key)$/

/** A key set whose private key nobody has. */
const madeUpKeys = JSON.stringify({
  keys: [
    {
      kty: 'EC',
      crv: 'P-256',
      alg: 'ES256',
      kid: 'made-up',
      x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
      y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
    },
  ],
})

/** Long enough for every secret, and the address of a Redis. */
const madeUp = 'redis://made-up-for-the-review.invalid'
