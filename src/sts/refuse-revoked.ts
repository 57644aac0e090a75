import { fail, ok } from '../base/result.ts'
import { refusal } from '../model/refusal.ts'
import type { JwtVerifier } from '../tokens/verify-jwt.ts'
import { readMarks } from './lineage.ts'
import { type RevocationStore, RevocationStoreError } from './revocation-store.ts'

/**
 * Makes a verifier refuse the tokens of this service that were revoked, and those that were exchanged from one. A store
 * that does not answer is as bad as keys that cannot be had: the token may be good, and nobody can say so now. Tokens of
 * other issuers pass unasked; so nothing is recalled of one's own without asking.
 */
export function refuseRevoked(
  verifier: JwtVerifier,
  { issuer, revocations }: { readonly issuer: string; readonly revocations: RevocationStore },
): JwtVerifier {
  return {
    ...verifier,
    recall(presented, now) {
      const known = verifier.recall(presented, now)
      return known?.ok && known.value.issuer === issuer ? undefined : known
    },
    async verify(presented, now) {
      const verified = await verifier.verify(presented, now)
      if (!verified.ok || verified.value.issuer !== issuer) return verified
      const marks = readMarks(verified.value.claims)
      try {
        const isRevoked = marks === undefined || (await revocations.isRevoked(marks))
        return isRevoked ? fail(refusal('token.invalid', 'revoked')) : ok(verified.value)
      } catch (cause) {
        if (!(cause instanceof RevocationStoreError)) throw cause
        return fail(refusal('token.keys_unavailable', cause.message))
      }
    },
  }
}
