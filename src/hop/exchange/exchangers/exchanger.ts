import type { Result } from '../../../base/result.ts'
import type { TokenRequest } from '../../../model/exchange-request.ts'
import type { IssuedToken } from '../../../model/issued-token.ts'
import type { Refusal } from '../../../model/refusal.ts'

/**
 * Obtains a token from the authorization server.
 *
 * Contract: answers a token only after the issued-token contract was checked; ends when `signal` does; never answers
 * the subject token itself; never throws for anything that the server does.
 */
export interface Exchanger {
  exchange(request: TokenRequest, signal: AbortSignal): Promise<Result<IssuedToken, Refusal>>
}
