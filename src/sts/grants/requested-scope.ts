import { fail, ok, type Result } from '../../base/result.ts'
import { emptyScope, isScopeWithin, parseScope, type ScopeSet } from '../../oauth/scope-set.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenForm } from '../token-form.ts'

/**
 * The scope that a request asks for (RFC 6749 §3.3), when it is within what may be granted. Who asks for none gets none:
 * a default would be more than was asked for.
 */
export function readRequestedScope(form: TokenForm, most: ScopeSet): Result<ScopeSet, TokenError> {
  const text = form.one('scope')
  if (text === undefined) return ok(emptyScope)
  const scope = parseScope(text)
  if (scope === undefined) return fail(tokenError('invalid_scope', 'scope is malformed'))
  return isScopeWithin(scope, most)
    ? ok(scope)
    : fail(tokenError('invalid_scope', 'scope is wider than what may be granted'))
}
