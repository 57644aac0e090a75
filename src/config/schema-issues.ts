import type { z } from 'zod'
import { type DocumentPath, quoteText } from './config-problem.ts'
import type { IssueDetail } from './issue-detail.ts'
import { type JsonSchema, knownKeys, schemasAt } from './json-schema.ts'
import { nearestWord } from './nearest-word.ts'
import { type Complaint, describeKind, type Report } from './report.ts'

/** Reports the issues of a failed validation, with what the schema expects at each place. */
export function reportIssues(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  schema: JsonSchema,
  report: Report,
): void {
  for (const issue of issues) {
    for (const complaint of complain(issue, [], value, schema, report)) report.add(complaint)
  }
}

function complain(
  issue: z.core.$ZodIssue,
  prefix: DocumentPath,
  root: unknown,
  schema: JsonSchema,
  report: Report,
): readonly Complaint[] {
  const path = [...prefix, ...issue.path] as DocumentPath
  const value = valueAt(root, path)
  const expected = describeExpected(schema, path)
  const described = report.describe(path, value)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => unknownKey(path, key, knownKeys(schema, path)))
    case 'invalid_value':
      return [unknownWord(path, value, described, issue.values.map(String), expected)]
    case 'invalid_union': {
      const branch = issue.errors.find(errors => !errors.some(isWrongKind)) ?? []
      if (branch.length === 0) return [{ path, found: describeKind(value), expected }]
      return branch.flatMap(inner => complain(inner, path, root, schema, report))
    }
    case 'invalid_key':
      return [badKey(path, schema)]
    case 'custom':
      return [custom(path, described, expected, issue.params ?? {})]
    case 'invalid_type':
      return [{ path, found: describeKind(value), expected }]
    default:
      return [{ path, found: typeof value === 'number' ? String(value) : describeKind(value), expected }]
  }
}

function custom(path: DocumentPath, described: string, expected: string, detail: IssueDetail): Complaint {
  const shown = detail.hidden === true ? 'a value' : described
  const found = detail.found ?? (detail.wrong === undefined ? shown : `${shown}, which ${detail.wrong}`)
  return { path, found, expected: detail.expected ?? expected, ...(detail.at && { at: detail.at }) }
}

function unknownKey(parent: DocumentPath, key: string, known: readonly string[]): Complaint {
  const suggestion = nearestWord(key, known)
  return {
    path: [...parent, key],
    at: 'key',
    found: 'an unknown key',
    expected: `one of ${known.join(', ')}`,
    ...(suggestion !== undefined && { suggestion }),
  }
}

function badKey(path: DocumentPath, schema: JsonSchema): Complaint {
  const parents = schemasAt(schema, path.slice(0, -1))
  const expected = parents.map(parent => parent.propertyNames?.title ?? 'another key').join(' or ')
  return { path, at: 'key', found: quoteText(String(path.at(-1))), expected }
}

function unknownWord(
  path: DocumentPath,
  value: unknown,
  described: string,
  known: readonly string[],
  expected: string,
): Complaint {
  if (typeof value !== 'string') return { path, found: describeKind(value), expected }
  if (known.includes('RS256') && /^(hs\d+|none)$/i.test(value)) {
    const reason = /^none$/i.test(value)
      ? 'which is no signature at all'
      : 'whose key is shared, so that whoever verifies could also forge'
    return { path, found: `${described}, ${reason}`, expected }
  }
  const suggestion = nearestWord(value, known)
  return { path, found: described, expected, ...(suggestion !== undefined && { suggestion }) }
}

/** A branch of a union that fails already at the kind of the value is not the one that the author meant. */
function isWrongKind(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' && issue.path.length === 0
}

function describeExpected(schema: JsonSchema, path: DocumentPath): string {
  const titles = schemasAt(schema, path).map(({ title, type, enum: words }) => {
    if (title !== undefined) return title
    if (words !== undefined) return `one of ${words.join(', ')}`
    return kinds[type ?? ''] ?? 'another value'
  })
  return [...new Set(titles)].join(' or ')
}

const kinds: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'text',
  boolean: 'true or false',
}

function valueAt(root: unknown, path: DocumentPath): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}
