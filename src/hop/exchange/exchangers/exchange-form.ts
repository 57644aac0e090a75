import type { Secret } from '../../../base/secret.ts'
import type { ExchangeRequest } from '../../../model/exchange-request.ts'
import { grantType } from '../../../oauth/grant-type.ts'
import { formatScope } from '../../../oauth/scope-set.ts'

/** The parameters of a token request. What is undefined is not sent. */
export type ExchangeForm = Readonly<Record<string, string | undefined>>

/**
 * The form of a token exchange (RFC 8693 §2.1). Exactly one target: with more, every scope would be good at every target.
 *
 * @param reveal gives the text for a token
 */
export function exchangeForm(
  request: ExchangeRequest,
  reveal: (token: Secret, name: 'subject_token' | 'actor_token') => string,
): ExchangeForm {
  const { person } = request
  return {
    grant_type: grantType.tokenExchange,
    subject_token: reveal(request.subjectToken, 'subject_token'),
    subject_token_type: request.subjectTokenType,
    audience: request.audience,
    resource: request.resource,
    scope: formatScope(request.scope) || undefined,
    requested_token_type: request.requestedTokenType,
    actor_token: person && reveal(person.token, 'actor_token'),
    actor_token_type: person?.tokenType,
    // The rest is understood by Hopgate's own token service, which is asked the same question; others pass over it.
    request_context: request.caseId === undefined ? undefined : JSON.stringify({ case_id: request.caseId }),
    exchange_mode: request.mode === 'delegation' ? undefined : request.mode,
  }
}
