import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { IssuedToken } from '../../model/issued-token.ts'

/**
 * The header section that upstream gets: what was admitted, the caller's `Host`, and last the issued token. Pure.
 *
 * The caller's own `Authorization` is not among the admitted fields, so there is nothing here that could let it pass.
 *
 * @param issued undefined on a public route, which forwards no credentials at all
 * @returns name, value, name, value, …
 */
export function outgoingHeaders(request: AdmittedRequest, issued: IssuedToken | undefined): string[] {
  const fields = request.headers.slice()
  fields.push('Host', request.authority)
  if (issued !== undefined) fields.push('Authorization', `Bearer ${issued.value.expose()}`)
  return fields
}
