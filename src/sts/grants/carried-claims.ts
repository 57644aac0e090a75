import { randomUUID } from 'node:crypto'
import { isJsonObject } from '../../base/strict-json.ts'
import { subjectKind } from '../../model/subject-kind.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'

const longestText = 256
const mostMethods = 16

/**
 * The claims that pass from a subject token into the one issued for it: how the subject logged in (`acr`, `auth_time`,
 * `amr`), the transaction that all hops share (`txn`, RFC 8417 §2.2; a new one when there is none), and whose subject
 * it is (`sub_id`, RFC 9493 §4: two issuers may use the same `sub`; its tenant; that it is a machine; who impersonates it).
 * Nothing else passes: `cnf`, `nonce`, `at_hash`,
 * `sid` and whatever an issuer invents mean something only where they were issued. A claim of a wrong type is left out.
 *
 * @param tenantClaim the claim that names the tenant, where a policy speaks of tenants
 */
export function carryClaims(
  token: VerifiedToken,
  ownIssuer: string,
  tenantClaim?: string,
): Readonly<Record<string, unknown>> {
  const { acr, auth_time: authTime, amr, txn, sub_id: subjectId, impersonator } = token.claims
  const tenant = tenantClaim === undefined ? undefined : token.claims[tenantClaim]
  return {
    ...(isText(acr) && { acr }),
    ...(typeof authTime === 'number' && authTime >= 0 && { auth_time: authTime }),
    ...(Array.isArray(amr) && amr.length <= mostMethods && amr.every(isText) && { amr }),
    ...(tenantClaim !== undefined && isText(tenant) && { [tenantClaim]: tenant }),
    ...(subjectKind(token) === 'machine' && { subject_kind: 'machine' }),
    ...(token.issuer === ownIssuer && isJsonObject(impersonator) && { impersonator }),
    txn: isText(txn) ? txn : randomUUID(),
    sub_id:
      token.issuer === ownIssuer && isJsonObject(subjectId)
        ? subjectId
        : { format: 'iss_sub', iss: token.issuer, sub: token.subject },
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longestText
}
