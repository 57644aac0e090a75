import type { CacheKeyContext } from '../../src/hop/exchange/cache-key.ts'
import type { ExchangeRequest } from '../../src/model/exchange-request.ts'

// Compile-only. The guard that `cacheKey` uses must notice a field that nobody decided about. The tempting
// `Record<never, never>` would accept anything.

declare const request: ExchangeRequest
declare const context: CacheKeyContext

const { audience: _audience, ...undecided } = request
// @ts-expect-error most fields are left
undecided satisfies Record<string, never>

const { clientId: _clientId, server: _server, ...undecidedContext } = context
// @ts-expect-error policyDigest is left
undecidedContext satisfies Record<string, never>

const { policyDigest: _policyDigest, machineSeal: _machineSeal, ...nothing } = undecidedContext
nothing satisfies Record<string, never>
