import type { EpochSeconds } from '../../base/clock.ts'
import { createHttpClient } from '../../base/http-client.ts'
import { silentLog } from '../../base/log.ts'
import type { IssuerRules } from '../../config/sidecar-config.ts'
import { createSigner, type Signer } from '../../sts/signer.ts'
import { generateSigningKey } from '../../sts/signing-keys.ts'
import type { JwtVerifierDependencies } from '../../tokens/verify-jwt.ts'

/** A key of this process alone that stands in for those of every issuer: what it signs is good nowhere else. */
export interface RehearsalKeys {
  readonly signer: Signer
  /** Makes an access token of claims as they are. */
  sign(claims: Readonly<Record<string, unknown>>): string
  /** The same rules for tokens of {@link sign}. */
  standIn(rules: IssuerRules): IssuerRules
  /** What a verifier of such tokens needs, at one instant: it fetches nothing. */
  dependencies(now: EpochSeconds, tokenBytes?: number): JwtVerifierDependencies
}

const type = 'at+jwt'
const longestTokenBytes = 1024 * 1024

export function createRehearsalKeys(): RehearsalKeys {
  const signer = createSigner([generateSigningKey()])
  const jwks = { keys: signer.publicKeys().map(key => ({ ...key })) }
  return {
    signer,
    sign: claims => signer.sign(claims, type),
    standIn: ({ introspection: _, ...rules }) => ({
      ...rules,
      algorithms: ['ES256'],
      types: [type],
      keys: { kind: 'inline', jwks },
    }),
    dependencies: (now, tokenBytes = longestTokenBytes) => ({
      client: createHttpClient(),
      log: silentLog,
      tokenBytes,
      keyOptions: { clock: { now: () => now, monotonicMs: () => 0 } },
    }),
  }
}
