import type { Result } from '../../src/base/result.ts'
import type { Exchanger } from '../../src/hop/exchange/exchangers/exchanger.ts'
import type { TokenRequest } from '../../src/model/exchange-request.ts'
import type { IssuedToken } from '../../src/model/issued-token.ts'
import type { Refusal } from '../../src/model/refusal.ts'

/** One call of a scripted exchanger, open until the test answers it. */
export interface OpenExchange {
  readonly request: TokenRequest
  readonly signal: AbortSignal
  answer(result: Result<IssuedToken, Refusal>): void
  fail(cause: Error): void
}

/** An exchanger whose every call waits for the test. */
export interface ScriptedExchanger extends Exchanger {
  readonly calls: OpenExchange[]
}

export function createScriptedExchanger(
  onCall: (call: OpenExchange, index: number) => void = () => {},
): ScriptedExchanger {
  const calls: OpenExchange[] = []
  return {
    calls,
    exchange(request, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<Result<IssuedToken, Refusal>>()
      const call = { request, signal, answer: resolve, fail: reject }
      calls.push(call)
      onCall(call, calls.length - 1)
      return promise
    },
  }
}
