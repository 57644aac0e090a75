import { z } from 'zod'
import type { DocumentPath } from './config-problem.ts'

/** The parts of a JSON Schema that ours use. */
export interface JsonSchema {
  readonly title?: string
  readonly description?: string
  readonly default?: unknown
  readonly type?: string
  readonly enum?: readonly string[]
  readonly const?: unknown
  readonly pattern?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly additionalProperties?: boolean | JsonSchema
  readonly propertyNames?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
}

/**
 * The JSON Schema of what an author may write. `title` names the kind of a value the way a message does ("a duration
 * such as 30s"), `description` says what it is for.
 */
export function inputSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input' }) as JsonSchema
}

/** The alternatives that a schema allows at a path; empty for a path that it does not know. */
export function schemasAt(schema: JsonSchema, path: DocumentPath): readonly JsonSchema[] {
  let current = alternatives(schema)
  for (const step of path) current = current.flatMap(parent => children(parent, step)).flatMap(alternatives)
  return current
}

/** The keys that a schema knows at a path. */
export function knownKeys(schema: JsonSchema, path: DocumentPath): readonly string[] {
  return schemasAt(schema, path).flatMap(found => Object.keys(found.properties ?? {}))
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  if (schema.anyOf === undefined) return [schema]
  const inner = schema.anyOf.flatMap(alternatives)
  const { title } = schema
  return title === undefined ? inner : inner.map(alternative => ({ ...alternative, title }))
}

function children(schema: JsonSchema, step: string | number): readonly JsonSchema[] {
  if (typeof step === 'number') return schema.items === undefined ? [] : [schema.items]
  const { properties = {}, additionalProperties } = schema
  const property = Object.hasOwn(properties, step) ? properties[step] : undefined
  if (property !== undefined) return [property]
  return typeof additionalProperties === 'object' ? [additionalProperties] : []
}
