import { rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Result } from '../../../src/base/result.ts'
import { type ConfigProblem, formatProblems } from '../../../src/config/config-problem.ts'
import { parseHubConfig } from '../../../src/config/parse-hub.ts'
import { parseSidecarConfig } from '../../../src/config/parse-sidecar.ts'
import type { ParseOptions } from '../../../src/config/read-document.ts'
import { isScopeWithin } from '../../../src/oauth/scope-set.ts'
import { policyMatrix } from '../../../src/policy/matrix.ts'
import { policyWarnings } from '../../../src/review/policy-warnings.ts'
import { localizeConfig } from './deploy-files.ts'

const env = { LOGIN_ISSUER: 'https://login.example.com', REDIS_URL: 'redis://:password@redis:6379' }

type Parse<T> = (text: string, options: ParseOptions) => Result<T, readonly ConfigProblem[]>

/** A configuration as the process would read it; throws with everything that is wrong. */
function load<T>(path: string, parse: Parse<T>): T {
  const { text, file, folder } = localizeConfig(path)
  try {
    const parsed = parse(text, { file, env })
    if (!parsed.ok) throw new Error(formatProblems(parsed.error))
    return parsed.value
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const examples = [
  {
    hub: 'deploy/compose/config/hub.yaml',
    gates: ['storefront', 'orders', 'billing'].map(gate => `deploy/compose/config/${gate}.yaml`),
  },
  { hub: 'deploy/kubernetes/hub/hopgate.yaml', gates: ['deploy/kubernetes/orders/hopgate.yaml'] },
]

describe.each(examples)('$hub', ({ hub, gates }) => {
  const { sts } = load(hub, parseHubConfig)
  const { policy } = sts

  it.each(gates)('gives %s every token that its routes ask for', path => {
    const { service, exchange, routes } = load(path, parseSidecarConfig)
    expect(exchange.server).toBe(sts.issuer)
    const client = sts.clients.find(({ id }) => id === service)
    for (const route of routes) {
      if (route.kind === 'public') continue
      const rows = policy === undefined ? [] : policyMatrix(policy)
      const granted = rows
        .filter(row => row.client === policy?.clients.get(service) && row.audience.id === route.audience)
        .map(({ scope }) => scope)
      expect(client?.audiences).toBeUndefined()
      expect(granted.some(scope => isScopeWithin(route.scope, scope))).toBe(true)
      expect(granted.flat()).toEqual(expect.arrayContaining([...route.scope, ...route.optionalScope]))
    }
  })

  it.each(gates)('lets %s exchange exactly the tokens that arrive there', path => {
    const { service, issuers } = load(path, parseSidecarConfig)
    const client = sts.clients.find(({ id }) => id === service)
    expect(client?.accepts).toEqual(issuers.flatMap(({ audience }) => audience))
    const known = [sts.issuer, ...sts.issuers.map(({ issuer }) => issuer)]
    expect(known).toEqual(expect.arrayContaining(issuers.map(({ issuer }) => issuer)))
  })

  it.each(gates)('has the one policy of %s, in which no rule is in vain', path => {
    expect(policy?.rules.length).toBeGreaterThan(0)
    expect(load(path, parseSidecarConfig).policy?.digest).toBe(policy?.digest)
    expect(policyWarnings(policy, sts)).toEqual([])
  })

  it('lists no client without a gate', () => {
    const services = gates.map(path => load(path, parseSidecarConfig).service)
    expect(sts.clients.map(({ id }) => id).sort()).toEqual(services.toSorted())
    expect([...(policy?.clients.keys() ?? [])].sort()).toEqual(services.toSorted())
  })
})
