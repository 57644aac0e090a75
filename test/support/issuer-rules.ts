import type { IssuerRules } from '../../src/config/sidecar-config.ts'
import type { TestIssuer } from './tokens.ts'

/** Rules that accept a test issuer's default tokens, with its keys inline. */
export function rulesFor(issuer: TestIssuer, changes: Partial<IssuerRules> = {}): IssuerRules {
  return {
    issuer: issuer.issuer,
    audience: ['shop-web'],
    algorithms: [issuer.algorithm],
    keys: { kind: 'inline', jwks: { keys: issuer.jwks.keys.map(jwk => ({ ...jwk })) } },
    types: ['at+jwt'],
    leewaySeconds: 0,
    maxLifetimeSeconds: 86_400,
    maxActorDepth: 4,
    plaintext: false,
    ...changes,
  }
}
