import { systemClock } from '../base/clock.ts'
import type { IntrospectionConfig, IssuerRules } from '../config/sidecar-config.ts'
import type { TokenVerification } from '../model/route.ts'
import { type AskedIssuer, IntrospectionAnswers } from './introspection-answers.ts'
import { createIntrospectionEndpoint } from './introspection-endpoint.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import { defaultMemoryBounds } from './token-memory.ts'
import type { Verifier } from './verifier.ts'
import { createAgreeingVerifier } from './verify-both.ts'
import { createIntrospectionVerifier } from './verify-introspection.ts'
import { createJwtVerifier, type JwtVerifierDependencies } from './verify-jwt.ts'

/** A verifier for each way to verify, for the tokens of the same issuers. */
export type TokenVerifiers = Readonly<Record<TokenVerification, Verifier>> & {
  /**
   * Loads what the given ways need ahead of the first token. Resolves when everything was tried once; never rejects.
   * Nothing needs to wait for it.
   */
  warm(ways: ReadonlySet<TokenVerification>): Promise<void>
  /** Whether tokens can be verified in the given ways, as far as that needs keys. */
  isReady(ways: ReadonlySet<TokenVerification>): boolean
  /** Stops fetching keys. */
  close(): void
}

/** Makes them. What one learns of a token says nothing to another: each asks what its own way asks, every time. */
export function createTokenVerifiers(
  rules: readonly IssuerRules[],
  dependencies: JwtVerifierDependencies,
): TokenVerifiers {
  const { client, log, tokenBytes, keyOptions = {}, memory = defaultMemoryBounds, keysOf } = dependencies
  const clock = keyOptions.clock ?? systemClock
  const jwt = createJwtVerifier(rules, dependencies)
  const askable = rules.filter(isAskable).map(rule => {
    // A key set of its own: it is looked in only when an answer is signed.
    const keys = keysOf?.get(rule.issuer) ?? createIssuerKeys(rule, { client, log, options: keyOptions })
    const endpoint = createIntrospectionEndpoint(rule, rule.introspection, { client, clock, log, keys })
    return { issuer: { rules: rule, config: rule.introspection, endpoint } satisfies AskedIssuer, keys }
  })
  const issuers = askable.map(({ issuer }) => issuer)
  const answers = new IntrospectionAnswers(clock, memory)
  return {
    jwt,
    introspection: createIntrospectionVerifier(issuers, { answers, clock, tokenBytes }),
    both: createAgreeingVerifier(issuers, { jwt, answers, clock }),
    async warm(ways) {
      await Promise.all([
        needsKeys(ways) ? jwt.warm() : undefined,
        ...(asks(ways) ? issuers.map(({ endpoint }) => endpoint.warm()) : []),
      ])
    },
    isReady: ways => !needsKeys(ways) || jwt.isReady(),
    close() {
      jwt.close()
      for (const { keys } of askable) keys.close()
    },
  }
}

function isAskable(
  rules: IssuerRules,
): rules is IssuerRules & { readonly introspection: IntrospectionConfig } {
  return rules.introspection !== undefined
}

function needsKeys(ways: ReadonlySet<TokenVerification>): boolean {
  return ways.has('jwt') || ways.has('both')
}

function asks(ways: ReadonlySet<TokenVerification>): boolean {
  return ways.has('introspection') || ways.has('both')
}
