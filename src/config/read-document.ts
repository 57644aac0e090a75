import type { z } from 'zod'
import { fail, type Result } from '../base/result.ts'
import type { ConfigProblem } from './config-problem.ts'
import { readConfigSource } from './config-source.ts'
import type { ReadText } from './config-texts.ts'
import type { Environment } from './environment.ts'
import { createFileReader, type FileReader } from './file-reader.ts'
import { inputSchema, type JsonSchema } from './json-schema.ts'
import { Report } from './report.ts'
import { type Salvaged, salvage } from './salvage.ts'
import { reportIssues } from './schema-issues.ts'
import { type OpenSecrets, openSecrets, type SecretPlace } from './secret-reference.ts'

/** Where a configuration comes from and what it may look up. */
export interface ParseOptions {
  /** For messages, and for the folder that other files are relative to. */
  readonly file: string
  readonly env?: Environment
  /** Reads the files that it names. Default: from the disk. */
  readonly readText?: ReadText
}

/** A document on its way to a configuration. */
export interface ConfigDocument<T> {
  /** The validated document; undefined when the schema has complaints. */
  readonly input: T | undefined
  /** What is valid of it in any case. */
  readonly parts: Salvaged<T>
  readonly files: FileReader
  readonly report: Report
  readonly secretAt: OpenSecrets
}

const schemas = new WeakMap<z.ZodType, JsonSchema>()

/** Reads a text up to and including its schema. Fails only where there is nothing to go on with. */
export function readDocument<S extends z.ZodObject>(
  text: string,
  schema: S,
  secrets: readonly SecretPlace[],
  options: ParseOptions,
): Result<ConfigDocument<z.output<S>>, readonly ConfigProblem[]> {
  const source = readConfigSource(text, options.file, options.env ?? process.env)
  if (!source.isReadable) return fail(source.problems)
  const report = new Report(source)
  const files = createFileReader(options.file, options.readText)
  // To compile the schema for its one use would take longer than to walk it.
  const parsed = schema.safeParse(source.value, { jitless: true })
  if (!parsed.success) reportIssues(parsed.error.issues, source.value, describe(schema), report)
  const input = parsed.success ? parsed.data : undefined
  return {
    ok: true,
    value: {
      input,
      parts: parsed.success ? (parsed.data as Salvaged<z.output<S>>) : salvage(schema, source.value),
      files,
      report,
      secretAt: openSecrets(source, secrets, files, report),
    },
  }
}

function describe(schema: z.ZodType): JsonSchema {
  const known = schemas.get(schema) ?? inputSchema(schema)
  schemas.set(schema, known)
  return known
}
