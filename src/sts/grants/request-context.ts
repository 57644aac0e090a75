import { isDeepStrictEqual } from 'node:util'
import { fail, ok, type Result } from '../../base/result.ts'
import { isJsonObject, type JsonObject, parseStrictJsonObject } from '../../base/strict-json.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenForm } from '../token-form.ts'

/** Parameters that carry a JSON object as it is (draft-ietf-oauth-transaction-tokens §5.1). */
export type ContextParameter = 'request_context' | 'request_details'

const maxBytes = 4 * 1024

/**
 * Reads one of them and adds it to what the token that is replaced says already. What is there stays as it is: a request
 * that names a member with another value is refused, since whoever comes later must not rewrite what came before.
 *
 * @param prior the claim of the token that is replaced
 * @returns undefined when neither says anything
 */
export function readContext(
  form: TokenForm,
  name: ContextParameter,
  prior: unknown,
): Result<JsonObject | undefined, TokenError> {
  const before = isJsonObject(prior) ? prior : undefined
  const text = form.one(name)
  if (text === undefined) return ok(before)
  const added = Buffer.byteLength(text) > maxBytes ? undefined : parseStrictJsonObject(text)
  if (added === undefined) {
    return fail(tokenError('invalid_request', `${name} is not a JSON object of at most ${maxBytes} bytes`))
  }
  for (const [member, value] of Object.entries(before ?? {})) {
    if (Object.hasOwn(added, member) && !isDeepStrictEqual(added[member], value)) {
      return fail(tokenError('invalid_request', `${name} changes what the Transaction Token says`))
    }
  }
  const merged = { ...added, ...before }
  return Buffer.byteLength(JSON.stringify(merged)) > maxBytes
    ? fail(tokenError('invalid_request', `${name} is longer than ${maxBytes} bytes with what was there`))
    : ok(merged)
}
