import { fieldValues } from '../../base/field-values.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { ContextHeaders } from '../../config/sidecar-config.ts'
import { type Refusal, refusal } from '../../model/refusal.ts'
import { isCaseId } from '../../oauth/case-id.ts'

/** What a request says of its occasion, nothing proven. */
export interface ClaimedOccasion {
  readonly actorToken: string | undefined
  readonly caseId: string | undefined
}

const nothing: Result<ClaimedOccasion, Refusal> = Object.freeze({
  ok: true,
  value: Object.freeze({ actorToken: undefined, caseId: undefined }),
})

/**
 * Reads the fields that the configuration declares for it, and no others. The one with the actor's token is taken out of
 * what is forwarded, with every spelling of its name that some upstream reads as the same: the token is meant for here.
 */
export function readOccasion(
  forwardable: string[],
  declared: ContextHeaders,
): Result<ClaimedOccasion, Refusal> {
  if (declared.actorToken === undefined && declared.caseId === undefined) return nothing
  const actorTokens = declared.actorToken === undefined ? [] : takeField(forwardable, declared.actorToken)
  if (actorTokens.length > 1) return fail(refusal('token.ambiguous', 'two tokens of an actor'))
  const cases = declared.caseId === undefined ? [] : takeField(forwardable, declared.caseId)
  const [caseId, ...further] = cases
  if (further.length > 0 || (caseId !== undefined && !isCaseId(caseId))) {
    return fail(refusal('request.malformed', 'a case id that is not one plain word'))
  }
  // It goes on as the one case that is asked about, whatever else some upstream would have read as its name.
  if (caseId !== undefined && declared.caseId !== undefined) forwardable.push(declared.caseId, caseId)
  return ok({ actorToken: actorTokens[0], caseId })
}

const noTransaction: Result<undefined, Refusal> = Object.freeze({ ok: true, value: undefined })

/**
 * Reads `Txn-Token` where the configuration names a trust domain. It is never among what is forwarded as it came: only what
 * was verified goes on. One value and no more (draft-ietf-oauth-transaction-tokens §7).
 */
export function readTransaction(
  raw: readonly string[],
  { trustDomain }: ContextHeaders,
): Result<string | undefined, Refusal> {
  if (trustDomain === undefined) return noTransaction
  const values = fieldValues(raw, 'txn-token')
  return values.length > 1 ? fail(refusal('token.ambiguous', 'two Txn-Token fields')) : ok(values[0])
}

/** Removes a field and answers its values; a name that only resembles it has none. */
function takeField(fields: string[], name: string): readonly string[] {
  const values: string[] = []
  let kept = 0
  for (let index = 0; index < fields.length; index += 2) {
    const field = fields[index] as string
    const value = fields[index + 1] as string
    const lower = field.toLowerCase()
    if (lower === name) values.push(value)
    else if (lower.replace(/[^a-z0-9]+/g, '-') !== name) {
      fields[kept++] = field
      fields[kept++] = value
    }
  }
  fields.length = kept
  return values
}
