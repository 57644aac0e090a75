import type { Secret } from '../../base/secret.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { IssuedToken } from '../../model/issued-token.ts'

/**
 * The header section that upstream gets: what was admitted, the caller's `Host`, and last the issued token. Pure.
 *
 * The caller's own `Authorization` is not among the admitted fields, so there is nothing here that could let it pass.
 *
 * @param transaction the Transaction Token that goes along; never a credential by itself
 * @param issued undefined on a public route, which forwards no credentials at all
 * @returns name, value, name, value, …
 */
export function outgoingHeaders(
  request: AdmittedRequest,
  issued: IssuedToken | undefined,
  transaction?: Secret,
): string[] {
  const fields = request.headers.slice()
  fields.push('Host', request.authority)
  if (transaction !== undefined) fields.push('Txn-Token', transaction.expose())
  if (issued !== undefined) fields.push('Authorization', `Bearer ${issued.value.expose()}`)
  return fields
}
