import { type ConfigProblem, formatProblems } from '../../src/config/config-problem.ts'
import type { Environment } from '../../src/config/environment.ts'
import type { HubConfig } from '../../src/config/hub-config.ts'
import { parseHubConfig } from '../../src/config/parse-hub.ts'
import { parseSidecarConfig } from '../../src/config/parse-sidecar.ts'
import type { SidecarConfig } from '../../src/config/sidecar-config.ts'

/** A good sidecar configuration, seven lines long; what a test adds begins at line 8. */
export const goodSidecar = `service: orders
upstream: http://127.0.0.1:3000
issuers:
  - issuer: https://login.test
    audience: [orders]
routes:
  - { path: /orders/**, audience: orders-api, scope: orders:read }
`

/** A good hub configuration, six lines long. */
export const goodHub = `sts:
  issuer: https://hub.test
  issuers: [{ issuer: https://login.test, audience: [shop-web] }]
  clients:
    - id: orders
      secret: \${ORDERS_SECRET}
      audiences: { orders-api: { scope: orders:read, ttl: 1m } }
`

/** What is wrong with a sidecar's configuration in a file named `c.yaml`, as it is printed; empty when it is good. */
export function sidecarProblems(text: string, env: Environment = {}, file = 'c.yaml'): readonly string[] {
  const parsed = parseSidecarConfig(text, { file, env })
  return parsed.ok ? [] : lines(parsed.error)
}

/** What is wrong with a hub's configuration, as it is printed; empty when it is good. */
export function hubProblems(text: string, env: Environment = {}, file = 'c.yaml'): readonly string[] {
  const parsed = parseHubConfig(text, { file, env })
  return parsed.ok ? [] : lines(parsed.error)
}

/** A sidecar's configuration that must be good. */
export function readSidecar(text: string, env: Environment = {}, file = 'c.yaml'): SidecarConfig {
  const parsed = parseSidecarConfig(text, { file, env })
  if (!parsed.ok) throw new Error(formatProblems(parsed.error))
  return parsed.value
}

/** A hub's configuration that must be good. */
export function readHub(text: string, env: Environment = { ORDERS_SECRET: 'x' }, file = 'c.yaml'): HubConfig {
  const parsed = parseHubConfig(text, { file, env })
  if (!parsed.ok) throw new Error(formatProblems(parsed.error))
  return parsed.value
}

function lines(problems: readonly ConfigProblem[]): readonly string[] {
  return formatProblems(problems).trimEnd().split('\n')
}
