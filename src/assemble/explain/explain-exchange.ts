import type { EpochSeconds } from '../../base/clock.ts'
import type { SidecarConfig } from '../../config/sidecar-config.ts'
import { cacheKey, describeCacheKey } from '../../hop/exchange/cache-key.ts'
import { clientCredentialsForm } from '../../hop/exchange/exchangers/client-credentials.ts'
import { exchangeForm } from '../../hop/exchange/exchangers/exchange-form.ts'
import { describeMachineKey, machineKey } from '../../hop/exchange/machine-key.ts'
import type { ExchangeRequest, MachineRequest, TokenRequest } from '../../model/exchange-request.ts'
import { formatScope } from '../../oauth/scope-set.ts'
import type { Fact } from '../../review/explanation.ts'
import { createCacheContext } from '../cache-context.ts'

/** What would be asked of the token service, under which key the answer would be kept, and what it may be. */
export function explainExchange(
  config: SidecarConfig,
  request: TokenRequest,
  known: { readonly now: EpochSeconds; readonly isProven: boolean },
): readonly Fact[] {
  if (request.mode !== 'machine') return explainSubjectExchange(config, request, known)
  const { transaction } = request
  return [
    ...explainOwnToken(config, request, known.now),
    // Dual identity takes both.
    ...(transaction === undefined
      ? []
      : explainSubjectExchange(config, transaction, known).map(({ name, value }) => ({
          name: `Transaction Token: ${name}`,
          value,
        }))),
  ]
}

const dependsOnOthers = 'depends on the keys of the token service inside as well'

/** What the sidecar would ask for itself; nothing of it depends on the caller. */
function explainOwnToken(config: SidecarConfig, request: MachineRequest, now: EpochSeconds): readonly Fact[] {
  const { exchange, sts } = config
  const context = createCacheContext(config, undefined)()
  const parts = describeMachineKey(request, context)
  const { audience, scope, requiredScope, notAfter, ttlSeconds } = request
  const latest = Math.min(notAfter, now + (ttlSeconds ?? Number.POSITIVE_INFINITY))
  return [
    { name: 'server', value: exchange.server },
    { name: 'client', value: `${exchange.client.id}, by ${exchange.client.authentication}` },
    { name: 'form', value: { ...clientCredentialsForm(request) } },
    { name: 'cache key', value: Object.fromEntries(parts.map(({ name, value }) => [name, value])) },
    {
      name: 'cache key id',
      value: sts === undefined ? machineKey(request, context).id : dependsOnOthers,
    },
    {
      name: 'issued token',
      value: {
        subject: exchange.client.id,
        audience,
        scope_at_most: formatScope(scope),
        scope_at_least: formatScope(requiredScope),
        act: [],
        ...(Number.isFinite(latest) && { used_until_at_most: new Date(latest * 1000).toISOString() }),
      },
    },
  ]
}

function explainSubjectExchange(
  config: SidecarConfig,
  request: ExchangeRequest,
  { now, isProven }: { readonly now: EpochSeconds; readonly isProven: boolean },
): readonly Fact[] {
  const { exchange, sts } = config
  const context = createCacheContext(config, undefined)()
  const parts = describeCacheKey(request, context)
  return [
    {
      name: 'server',
      value: sts === undefined ? exchange.server : `${exchange.server}, inside this sidecar`,
    },
    { name: 'client', value: `${exchange.client.id}, by ${exchange.client.authentication}` },
    {
      name: 'form',
      value: { ...exchangeForm(request, (_, name) => `<${name.replace('_', ' ')}>`) },
    },
    { name: 'cache key', value: Object.fromEntries(parts.map(({ name, value }) => [name, value])) },
    { name: 'cache key id', value: describeId() },
    { name: 'issued token', value: describeBounds(request, exchange.client.id, now) },
  ]

  function describeId(): string {
    if (sts !== undefined) return dependsOnOthers
    return isProven ? cacheKey(request, context).id : 'unknown, since the token is unproven'
  }
}

/** What the issued-token contract will take, and for how long. */
function describeBounds(
  { subject, audience, scope, requiredScope, mode, person, actors, notAfter, ttlSeconds }: ExchangeRequest,
  client: string,
  now: EpochSeconds,
) {
  const latest = Math.min(notAfter, now + (ttlSeconds ?? Number.POSITIVE_INFINITY))
  const acting = person?.subject ?? client
  const chain = acting === actors[0] ? actors : [acting, ...actors]
  return {
    subject,
    audience,
    scope_at_most: formatScope(scope),
    scope_at_least: formatScope(requiredScope),
    act: mode === 'impersonation' ? [] : chain,
    used_until_at_most: new Date(latest * 1000).toISOString(),
  }
}
