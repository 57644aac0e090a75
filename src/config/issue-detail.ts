import type { z } from 'zod'

/** What a check of ours adds to a schema's issue; everything else is read from the schema. */
export interface IssueDetail {
  /** What is wrong with the value, to follow "which": `has a fragment`. */
  readonly wrong?: string
  /** The value must not be shown. */
  readonly hidden?: boolean
  /** Instead of a description of the value. */
  readonly found?: string
  /** Instead of the title of the schema. */
  readonly expected?: string
  readonly at?: 'key'
}

/** Adds an issue of ours from within a refinement. */
export function addIssue(
  context: z.RefinementCtx,
  path: readonly (string | number)[],
  detail: IssueDetail,
): void {
  context.addIssue({ code: 'custom', path: [...path], params: { ...detail } })
}

/** Adds an issue unless exactly one of the keys is there. */
export function requireOneOf(value: object, keys: readonly string[], context: z.RefinementCtx): void {
  const given = keys.filter(key => (value as Readonly<Record<string, unknown>>)[key] !== undefined)
  const expected = `exactly one of ${keys.join(', ')}`
  if (given.length === 0) addIssue(context, [], { found: `none of ${keys.join(', ')}`, expected })
  for (const key of given.slice(1)) {
    addIssue(context, [key], { found: `this beside ${given[0]}`, expected, at: 'key' })
  }
}

/** Adds an issue for each entry of a list that repeats an earlier one. */
export function refuseRepeats(values: readonly string[], key: string, context: z.RefinementCtx): void {
  for (const [index, value] of values.entries()) {
    const first = values.indexOf(value)
    if (first < index) {
      addIssue(context, [index, key], { found: `the same as in entry ${first}`, expected: 'each once' })
    }
  }
}
