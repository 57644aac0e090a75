import type { z } from 'zod'
import { isJsonObject } from '../base/strict-json.ts'
import { hubSchema } from './hub-schema.ts'
import { inputSchema, type JsonSchema } from './json-schema.ts'
import { policySchema } from './policy-schema.ts'
import { policySuiteSchema } from './policy-suite-schema.ts'
import { sidecarSchema } from './sidecar-schema.ts'

/** The text of `config/schema.json`, for editors. */
export function renderSidecarSchema(): string {
  return render(sidecarSchema, 'Configuration of a Hopgate sidecar')
}

/** The text of `config/hub.schema.json`, for editors. */
export function renderHubSchema(): string {
  return render(hubSchema, 'Configuration of a Hopgate hub')
}

/** The text of `config/policy.schema.json`, for editors. */
export function renderPolicySchema(): string {
  return render(policySchema, 'Policy of Hopgate: who may exchange what, for whom, into which audience')
}

/** The text of `config/policy-test.schema.json`, for editors. */
export function renderPolicySuiteSchema(): string {
  return render(policySuiteSchema, 'Tests of a policy of Hopgate')
}

const referencePattern = String.raw`\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}$]*)?\}`

function render(schema: z.ZodType, title: string): string {
  const { $schema, ...body } = publish(inputSchema(schema)) as JsonSchema & { readonly $schema: string }
  const definitions = {
    reference: {
      description: 'A reference to the environment, with an optional default.',
      type: 'string',
      pattern: referencePattern,
    },
  }
  return `${JSON.stringify({ $schema, title, ...body, $defs: definitions }, undefined, 2)}\n`
}

/** Allows a reference to the environment wherever more than any text is asked for, and drops what says nothing. */
function publish(schema: JsonSchema): JsonSchema {
  const { default: preset, ...rest } = schema
  const published = {
    ...rest,
    ...(preset !== undefined && !isEmptyObject(preset) && { default: preset }),
    ...(rest.properties && {
      properties: Object.fromEntries(
        Object.entries(rest.properties).map(([key, value]) => [key, publish(value)]),
      ),
    }),
    ...(rest.items && { items: publish(rest.items) }),
    ...(rest.anyOf && { anyOf: rest.anyOf.map(publish) }),
    ...(typeof rest.additionalProperties === 'object' && {
      additionalProperties: publish(rest.additionalProperties),
    }),
  }
  if (!isPicky(schema)) return published
  const { title, description, default: kept, ...constraint } = published
  return {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(kept !== undefined && { default: kept }),
    anyOf: [constraint, { $ref: '#/$defs/reference' } as JsonSchema],
  }
}

function isPicky({ type, enum: words, pattern }: JsonSchema): boolean {
  return type === 'integer' || type === 'boolean' || words !== undefined || pattern !== undefined
}

function isEmptyObject(value: unknown): boolean {
  return isJsonObject(value) && Object.keys(value).length === 0
}
