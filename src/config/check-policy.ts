import { compileCondition } from '../policy/expression.ts'
import { readClientKeySet } from '../tokens/client-key-set.ts'
import { type DocumentPath, quoteText } from './config-problem.ts'
import { type PublicKeySet, publicKeySet } from './issuer-schema.ts'
import { nearestWord } from './nearest-word.ts'
import type { PolicyInput } from './policy-schema.ts'
import type { ConfigDocument } from './read-document.ts'
import type { Report } from './report.ts'
import type { Salvaged } from './salvage.ts'

/**
 * Reports names that nothing stands for, conditions that do not compile and keys that cannot be used.
 *
 * @returns the keys of each approver
 */
export function checkPolicy({
  parts,
  files,
  report,
}: ConfigDocument<PolicyInput>): ReadonlyMap<string, PublicKeySet> {
  checkNames(parts, report)
  const opened = new Map<string, PublicKeySet>()
  for (const [approver, given] of Object.entries(parts.approvers ?? {})) {
    const path = ['approvers', approver]
    if (given?.inline !== undefined) opened.set(approver, given.inline)
    if (given?.file !== undefined) {
      const text = files.read(given.file)
      const keys = text.ok ? publicKeySet.safeParse(parseJson(text.value)) : undefined
      if (keys?.success === true) opened.set(approver, keys.data)
      else {
        const wrong = text.ok ? 'does not hold one' : text.error
        report.add({
          path: [...path, 'file'],
          found: `a file that ${wrong}`,
          expected: 'a JWK set of public keys',
        })
      }
    }
    const keys = opened.get(approver)
    const usable = keys && readClientKeySet(keys)
    if (usable?.ok === false) {
      report.add({
        path,
        found: `a key that is not usable (${usable.error})`,
        expected: 'keys for signatures',
      })
    }
  }
  return opened
}

function checkNames(parts: Salvaged<PolicyInput>, report: Report): void {
  const clients = Object.keys(parts.clients ?? {})
  const audiences = Object.keys(parts.audiences ?? {})
  const kinds = Object.values(parts.clients ?? {}).flatMap(client =>
    client?.kind === undefined ? [] : [client.kind],
  )
  const known = (path: DocumentPath, given: string, words: readonly string[], noun: string): void => {
    if (words.includes(given)) return
    const suggestion = nearestWord(given, words)
    report.add({
      path,
      found: `${noun} that is not there`,
      expected:
        words.length === 0 ? 'it to be defined' : `one of ${words.slice(0, 12).map(quoteText).join(', ')}`,
      ...(suggestion !== undefined && { suggestion }),
    })
  }
  const each = (
    path: DocumentPath,
    given: readonly string[] | undefined,
    words: readonly string[],
    noun: string,
  ): void => {
    for (const [index, one] of (given ?? []).entries()) known([...path, index], one, words, noun)
  }
  for (const [id, audience] of Object.entries(parts.audiences ?? {})) {
    each(['audiences', id, 'served_by'], audience?.served_by, clients, 'a client')
  }
  for (const [index, rule] of (parts.rules ?? []).entries()) {
    if (rule === undefined) continue
    const path = ['rules', index]
    each([...path, 'who', 'client'], rule.who?.client, clients, 'a client')
    each([...path, 'who', 'kind'], rule.who?.kind, kinds, 'a kind of client')
    if (rule.into !== undefined && rule.into !== 'own')
      each([...path, 'into'], rule.into, audiences, 'an audience')
    const { approval } = rule.require ?? {}
    const approvers = Object.keys(parts.approvers ?? {})
    if (approval === true && approvers.length === 0) {
      report.add({
        path: [...path, 'require', 'approval'],
        found: 'no approver in this policy',
        expected: 'approvers',
      })
    } else if (approval !== true) each([...path, 'require', 'approval'], approval, approvers, 'an approver')
    checkScopes(parts, rule, path, report)
    checkCondition(rule.when, [...path, 'when'], report)
    if (approval !== undefined && rule.require?.case_id === undefined) {
      report.add({
        path: [...path, 'require', 'approval'],
        found: 'an approval without case_id',
        expected: 'case_id as well: an approval is for one case',
      })
    }
  }
}

/** A scope that the audience does not have would never be granted: a slip, so it is said. */
function checkScopes(
  parts: Salvaged<PolicyInput>,
  { into, scopes }: Pick<Salvaged<PolicyInput['rules'][number]>, 'into' | 'scopes'>,
  path: DocumentPath,
  report: Report,
): void {
  const all = Object.entries(parts.audiences ?? {})
  const targets =
    into === 'own'
      ? all.filter(([, one]) => (one?.served_by?.length ?? 0) > 0)
      : all.filter(([id]) => into?.includes(id))
  for (const scope of scopes ?? []) {
    if (targets.some(([, one]) => one?.scopes?.includes(scope))) continue
    report.add({
      path: [...path, 'scopes'],
      found: `scope ${quoteText(scope)}, which none of its audiences has`,
      expected: 'a scope of the audience',
    })
  }
}

function checkCondition(source: string | undefined, path: DocumentPath, report: Report): void {
  const compiled = source === undefined ? undefined : compileCondition(source)
  if (compiled?.ok !== false) return
  const reason = report.isFromEnvironment(path) ? '' : ` (${quoteText(compiled.error)})`
  report.add({ path, found: `an expression that does not compile${reason}`, expected: 'a CEL condition' })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
