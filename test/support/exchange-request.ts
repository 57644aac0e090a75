import type { ExchangeRequest } from '../../src/model/exchange-request.ts'
import { permit } from '../../src/model/exchange-request.ts'
import type { ProtectedRoute } from '../../src/model/route.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { aRoute, aVerifiedToken } from './nouns.ts'

/** A permitted request for a route and a token. */
export function permittedRequest(
  route: Partial<ProtectedRoute> = {},
  token: Partial<VerifiedToken> = {},
): ExchangeRequest {
  const request = permit(aRoute(route), aVerifiedToken(token), { effect: 'permit', rule: 'test' })
  if (request === undefined) throw new Error('the test asks for scope that its token does not hold')
  return request
}

/** A permitted request with some fields changed, permitted or not. */
export function anExchangeRequest(about: Partial<ExchangeRequest> = {}): ExchangeRequest {
  return { ...permittedRequest(), ...about }
}
