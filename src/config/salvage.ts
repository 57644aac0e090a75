import { z } from 'zod'
import { isJsonObject } from '../base/strict-json.ts'

/** What of a document is valid by itself: entries of lists that are wrong, and keys that are wrong, are undefined. */
export type Salvaged<T> = {
  readonly [K in keyof T]?: T[K] extends readonly (infer Entry)[] ? readonly (Entry | undefined)[] : T[K]
}

/** Validates each key, and each entry of each list, by itself, so that checks across them can still be made. */
export function salvage<S extends z.ZodObject>(schema: S, value: unknown): Salvaged<z.output<S>> {
  const record: Readonly<Record<string, unknown>> = isJsonObject(value) ? value : {}
  const salvaged: Record<string, unknown> = {}
  for (const [key, field] of Object.entries<z.ZodType>(schema.shape)) {
    const whole = field.safeParse(record[key])
    if (whole.success) salvaged[key] = whole.data
    else if (Array.isArray(record[key])) salvaged[key] = salvageEntries(field, record[key])
  }
  return salvaged as Salvaged<z.output<S>>
}

function salvageEntries(field: z.ZodType, entries: readonly unknown[]): readonly unknown[] | undefined {
  const list = field instanceof z.ZodPrefault ? field.unwrap() : field
  if (!(list instanceof z.ZodArray)) return undefined
  const element = list.element as z.ZodType
  return entries.map(entry => element.safeParse(entry).data)
}
