import type { Authenticate } from '../../src/hop/authenticate/authenticate.ts'
import type { AdmittedRequest } from '../../src/model/admitted-request.ts'
import type { ExchangeRequest } from '../../src/model/exchange-request.ts'
import type { PublicRoute } from '../../src/model/route.ts'

/** Compiled by `npm run types`, never run: each line below must stay an error. */

declare const fields: { [K in keyof ExchangeRequest as K extends symbol ? never : K]: ExchangeRequest[K] }
// @ts-expect-error an ExchangeRequest cannot be put together by hand: only permit() makes one
export const forged: ExchangeRequest = fields

declare const onPublicRoute: AdmittedRequest<PublicRoute>
declare const authenticate: Authenticate
// @ts-expect-error a public route's request does not enter the stages that exchange
authenticate(onPublicRoute)

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
// The brand did not quietly become any.
export const isNotAny: Equals<ExchangeRequest['scope'], unknown> = false
