import { randomUUID } from 'node:crypto'
import { isJsonObject } from '../../base/strict-json.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { subjectKind } from '../../policy/party.ts'

const longestText = 256
const mostMethods = 16

/**
 * The claims that pass from a subject token into the one issued for it: how the subject logged in (`acr`, `auth_time`,
 * `amr`), the transaction that all hops share (`txn`, RFC 8417 §2.2; a new one when there is none), whose subject
 * it is (`sub_id`, RFC 9493 §4: two issuers may use the same `sub`), and that the subject is a machine (`subject_kind`),
 * which nothing else says once another client has exchanged its token. Nothing else passes: `cnf`, `nonce`, `at_hash`,
 * `sid` and whatever an issuer invents mean something only where they were issued. A claim of a wrong type is left out.
 */
export function carryClaims(token: VerifiedToken, ownIssuer: string): Readonly<Record<string, unknown>> {
  const { acr, auth_time: authTime, amr, txn, sub_id: subjectId } = token.claims
  return {
    ...(isText(acr) && { acr }),
    ...(typeof authTime === 'number' && authTime >= 0 && { auth_time: authTime }),
    ...(Array.isArray(amr) && amr.length <= mostMethods && amr.every(isText) && { amr }),
    ...(subjectKind(token) === 'machine' && { subject_kind: 'machine' }),
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
