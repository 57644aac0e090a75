import { createHmac } from 'node:crypto'
import { digestFields, digestFieldsBase64Url } from '../../base/digest.ts'
import type { MachineRequest } from '../../model/exchange-request.ts'
import { formatScope } from '../../oauth/scope-set.ts'
import type { CacheKey, CacheKeyContext, CacheKeyPart } from './cache-key.ts'

/**
 * The key of the workload's own token. Nothing of any caller is in it: client, server, policy, audience and scope are
 * everything that such a token depends on.
 *
 * There is no subject token whose holder alone could open the entry. What seals it is derived from the client's own secret,
 * which whoever holds may have the same token from the server anyway; replicas share the secret and so the entry. Without a
 * secret, as with a key or a certificate of which each replica may have its own, it is kept in memory only.
 */
export function machineKey(request: MachineRequest, context: CacheKeyContext): CacheKey {
  const { machineSeal } = context
  const id = digestFieldsBase64Url(
    'hopgate machine cache id 1',
    fieldsOf(request, context).map(([, value]) => value),
  )
  return {
    id,
    isLocal: machineSeal === undefined,
    seal:
      machineSeal === undefined
        ? digestFields('hopgate machine cache seal 1', [id])
        : createHmac('sha256', machineSeal).update(`hopgate machine cache seal 1:${id}`).digest(),
  }
}

/** What the name of an entry depends on, in order, for people. */
export function describeMachineKey(
  request: MachineRequest,
  context: CacheKeyContext,
): readonly CacheKeyPart[] {
  return fieldsOf(request, context).map(([name, value]) => ({
    name,
    value: name === secretName && value !== undefined ? '[secret]' : value,
  }))
}

const secretName = 'client secret'

function fieldsOf(
  request: MachineRequest,
  context: CacheKeyContext,
): readonly (readonly [name: string, value: string | undefined])[] {
  const {
    route: _route,
    mode,
    audience,
    resource,
    scope,
    requiredScope,
    requestedTokenType,
    notAfter,
    ttlSeconds,
    // Another request with a key of its own.
    transaction: _transaction,
    ...undecided
  } = request
  undecided satisfies Record<string, never>
  const { clientId, server, policyDigest, machineSeal, ...undecidedContext } = context
  undecidedContext satisfies Record<string, never>
  return [
    ['server', server],
    ['client_id', clientId],
    ['policy', policyDigest],
    // Who has another secret has another entry, instead of one that does not open.
    [
      secretName,
      machineSeal && digestFieldsBase64Url('hopgate machine seal id 1', [machineSeal.toString('base64url')]),
    ],
    ['mode', mode],
    ['audience', audience],
    ['resource', resource],
    ['scope', formatScope(scope)],
    ['required_scope', formatScope(requiredScope)],
    ['requested_token_type', requestedTokenType],
    ['not_after', String(notAfter)],
    ['ttl_seconds', ttlSeconds === undefined ? undefined : String(ttlSeconds)],
  ]
}
