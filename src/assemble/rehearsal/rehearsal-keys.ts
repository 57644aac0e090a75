import type { IssuerRules } from '../../config/sidecar-config.ts'
import { createSigner, type Signer } from '../../sts/signer.ts'
import { generateSigningKey } from '../../sts/signing-keys.ts'

/** A key of this process alone that stands in for those of every issuer: what it signs is good nowhere else. */
export interface RehearsalKeys {
  readonly signer: Signer
  /** Makes an access token of claims as they are. */
  sign(claims: Readonly<Record<string, unknown>>): string
  /** The same rules for tokens of {@link sign}. */
  standIn(rules: IssuerRules): IssuerRules
}

const type = 'at+jwt'

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
  }
}
