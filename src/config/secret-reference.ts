import { z } from 'zod'
import { fail, ok, type Result } from '../base/result.ts'
import { Secret } from '../base/secret.ts'
import type { DocumentPath } from './config-problem.ts'
import type { ConfigSource } from './config-source.ts'
import { type Substitution, withoutValues } from './environment.ts'
import { filePath } from './fields.ts'
import type { FileReader } from './file-reader.ts'
import type { Report } from './report.ts'
import { parseStrictUrl } from './strict-url.ts'

/** A secret as an author writes it: by reference, never itself. */
export const secretReference = z
  .union([
    z.string(),
    z.strictObject({ file: filePath.describe('File that holds it; one trailing newline is cut.') }),
  ])
  .meta({ title: `\${NAME} or { file: PATH }` })

/** Where secrets may stand in a document; `*` is any entry of a list, `{*}` of a mapping. */
export interface SecretPlace {
  readonly path: readonly string[]
  /** `key`: key material, which no word is long enough for. */
  readonly kind: 'secret' | 'key' | 'redis'
}

/** The secret of a path that was opened. */
export type OpenSecrets = (path: DocumentPath) => Secret

/**
 * Opens every secret reference of a document and reports those that hold a literal or nothing. It looks at the raw
 * document, so that a literal secret is found even where the rest is wrong.
 *
 * @returns how to get at the secret of a path
 */
export function openSecrets(
  source: ConfigSource,
  places: readonly SecretPlace[],
  files: FileReader,
  report: Report,
): OpenSecrets {
  const opened = new Map<string, Secret>()
  for (const place of places) {
    for (const { path, value } of find(source.value, place.path)) {
      const secret = open(value, source.substitution(path), place.kind, files)
      if (secret === undefined) continue
      if (secret.ok) opened.set(JSON.stringify(path), new Secret(secret.value))
      else report.add({ path, ...secret.error })
    }
  }
  return path => {
    const secret = opened.get(JSON.stringify(path))
    if (secret === undefined) throw new Error('a secret is used that was never opened')
    return secret
  }
}

interface Wrong {
  readonly found: string
  readonly expected: string
}

const shortestKey = 32

const reference = { expected: `\${NAME} or { file: PATH }` }

/** Undefined for a value that is no reference at all; the schema says so. */
function open(
  value: unknown,
  substitution: Substitution | undefined,
  kind: SecretPlace['kind'],
  files: FileReader,
): Result<string, Wrong> | undefined {
  if (typeof value === 'string') {
    const written = substitution?.written ?? value
    if (kind === 'redis' ? hasLiteralPassword(written) : !/^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(written)) {
      return fail({ found: 'a literal secret', ...reference })
    }
    return checkSecret(value, kind)
  }
  if (typeof value !== 'object' || value === null || !('file' in value)) return undefined
  if (typeof value.file !== 'string' || value.file === '') return undefined
  const text = files.read(value.file)
  if (!text.ok) return fail({ found: `a file that ${text.error}`, expected: 'a file that holds the secret' })
  return checkSecret(text.value.replace(/\r?\n$/, ''), kind)
}

function checkSecret(text: string, kind: SecretPlace['kind']): Result<string, Wrong> {
  if (kind === 'redis') {
    const url = parseStrictUrl(text, { schemes: ['redis:', 'rediss:'], path: true, password: true })
    const wrong = url.ok ? (/^\/?\d*$/.test(url.value.pathname) ? undefined : 'has a path') : url.error
    return wrong === undefined
      ? ok(text)
      : fail({
          found: `a value, which ${wrong}`,
          expected: 'a URL such as redis://host:6379 or rediss://host:6379/0',
        })
  }
  if (text === '') return fail({ found: 'an empty secret', expected: 'a secret' })
  if (kind === 'key' && text.length < shortestKey) {
    const expected = `${shortestKey} characters or more`
    return fail({ found: `a secret of ${text.length} characters`, expected })
  }
  if (!/^[\x20-\x7e]+$/.test(text)) {
    const found = 'a secret with line breaks, control characters or characters outside ASCII'
    return fail({ found, expected: 'one line of visible ASCII' })
  }
  return ok(text)
}

/** Whether the password of a URL is in the YAML itself, in part or as the default of a reference. */
function hasLiteralPassword(written: string): boolean {
  const userinfo = /^[^/]*\/\/([^/]*)@/.exec(withoutValues(written, ''))?.[1] ?? ''
  return userinfo.replace(/^[^:]*:?/, '') !== ''
}

function find(root: unknown, pattern: readonly string[]): { path: (string | number)[]; value: unknown }[] {
  let found: { path: (string | number)[]; value: unknown }[] = [{ path: [], value: root }]
  for (const step of pattern) {
    found = found.flatMap(({ path, value }) => {
      if (typeof value !== 'object' || value === null) return []
      if (step === '*') {
        return Array.isArray(value)
          ? value.map((entry, index) => ({ path: [...path, index], value: entry }))
          : []
      }
      if (step === '{*}') {
        return Object.entries(value).map(([key, entry]) => ({ path: [...path, key], value: entry }))
      }
      if (!Object.hasOwn(value, step)) return []
      return [{ path: [...path, step], value: (value as Readonly<Record<string, unknown>>)[step] }]
    })
  }
  return found
}
