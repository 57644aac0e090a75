import { fail, ok, type Result } from '../base/result.ts'
import { isJsonObject, type JsonObject } from '../base/strict-json.ts'

/** A service account of a Kubernetes cluster. */
export interface ServiceAccount {
  /** `iss` of the cluster's tokens. */
  readonly cluster: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** `sub` of a token of a service account. */
export function serviceAccountSubject({ namespace, serviceAccount }: ServiceAccount): string {
  return `system:serviceaccount:${namespace}:${serviceAccount}`
}

/**
 * Checks that a token is one that a cluster made for a pod (a projected token): beside `sub` it tells in a claim of its
 * own which service account it is bound to, which tokens of the old kind, good for ever, do not.
 */
export function checkServiceAccountClaims(
  claims: JsonObject,
  { namespace, serviceAccount }: ServiceAccount,
): Result<undefined, string> {
  const bound = claims['kubernetes.io']
  if (!isJsonObject(bound)) return fail('it is not bound to anything in the cluster')
  const account = bound['serviceaccount']
  const isSame =
    bound['namespace'] === namespace && isJsonObject(account) && account['name'] === serviceAccount
  return isSame ? ok(undefined) : fail('sub and kubernetes.io name different service accounts')
}
