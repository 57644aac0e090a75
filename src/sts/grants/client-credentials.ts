import { randomUUID } from 'node:crypto'
import { fail, ok } from '../../base/result.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { formatScope } from '../../oauth/scope-set.ts'
import type { Grant } from '../grant.ts'
import { accessTokenFormat } from '../token-format.ts'
import { noFacts, type TokenFacts } from '../token-service-event.ts'
import { type Authority, askPolicy } from './authority.ts'
import { chooseTarget, exchangeTargets } from './exchange-parameters.ts'
import { readRequestedScope } from './requested-scope.ts'

export interface ClientCredentialsOptions extends Authority {
  /** The token service's own issuer identifier. */
  readonly issuer: string
  readonly clients: readonly StsClient[]
  readonly maxTtlSeconds: number
}

/**
 * Client credentials (RFC 6749 §4.4): a client gets a token for itself and nobody else, for the one audience that it asks
 * for. The token says in `subject_kind` that its subject is a machine, and goes on saying so when it is exchanged, where
 * `client_id` is another one by then.
 */
export function createClientCredentialsGrant(options: ClientCredentialsOptions): Grant {
  const targetsOf = new Map(
    options.clients.map(client => [client.id, exchangeTargets(client, options.policy?.document)]),
  )
  return {
    grantType: grantType.clientCredentials,
    isImplied: options.policy !== undefined,
    async authorize({ form, now }, client) {
      const facts: TokenFacts = { ...noFacts, client: client.id }
      const target = chooseTarget(form, targetsOf.get(client.id) ?? new Map())
      if (!target.ok) return fail({ error: target.error, facts })
      const { audience, ttlSeconds } = target.value
      const scope = readRequestedScope(form, target.value.scope)
      if (!scope.ok) return fail({ error: scope.error, facts: { ...facts, audience } })
      const known: TokenFacts = {
        ...facts,
        subject: client.id,
        issuer: options.issuer,
        audience,
        scope: formatScope(scope.value),
      }
      const permitted = await askPolicy(options, {
        mode: 'machine',
        client: client.id,
        audience,
        scope: scope.value,
        subject: undefined,
        now,
      })
      if (!permitted.ok) {
        const { error, decision } = permitted.error
        return fail({ error, facts: { ...known, ...(decision !== undefined && { decision }) } })
      }
      const { decision } = permitted.value
      const lives = [options.maxTtlSeconds, ttlSeconds, permitted.value.ttlSeconds]
      return ok({
        subject: client.id,
        audience,
        scope: scope.value,
        actor: undefined,
        claims: { subject_kind: 'machine', txn: randomUUID() },
        derivedFrom: [],
        notAfter: permitted.value.notAfter ?? Number.POSITIVE_INFINITY,
        ttlSeconds: Math.min(...lives.filter(life => life !== undefined)),
        format: accessTokenFormat,
        issuedTokenType: undefined,
        facts: { ...known, ...(decision !== undefined && { decision }) },
      })
    },
  }
}
