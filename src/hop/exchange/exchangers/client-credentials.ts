import type { MachineRequest } from '../../../model/exchange-request.ts'
import { grantType } from '../../../oauth/grant-type.ts'
import { formatScope } from '../../../oauth/scope-set.ts'

/** RFC 6749 §4.4.2, with the one target of RFC 8707 or, where the server knows it, `audience`. */
export function clientCredentialsForm({
  audience,
  resource,
  scope,
}: MachineRequest): Readonly<Record<string, string | undefined>> {
  return {
    grant_type: grantType.clientCredentials,
    audience,
    resource,
    scope: formatScope(scope) || undefined,
  }
}
