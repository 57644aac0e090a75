import { describe, expect, it } from 'vitest'
import { dig, readYaml } from './deploy-files.ts'

interface ComposeService {
  readonly user?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly ports?: readonly string[]
  readonly networks?: readonly string[]
  readonly privileged?: boolean
  readonly healthcheck?: unknown
  readonly stop_grace_period?: string
}

const compose = readYaml('deploy/compose/compose.yaml')
const services = Object.entries(compose['services'] as Record<string, ComposeService>)
const legacy = ['storefront', 'orders', 'billing']

function membersOf(network: string): string[] {
  return services.filter(([, { networks }]) => networks?.includes(network)).map(([name]) => name)
}

describe('deploy/compose', () => {
  it.each(services)('runs %s without root, capabilities and a writable root', (_, service) => {
    expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$/)
    expect(service.read_only).toBe(true)
    expect(service.cap_drop).toEqual(['ALL'])
    expect(service.security_opt).toEqual(['no-new-privileges:true'])
    expect(service.privileged).toBeUndefined()
  })

  it.each(services.filter(([name]) => !legacy.includes(name)))('watches the health of %s', (_, service) => {
    expect(service.healthcheck).toBeDefined()
  })

  it.each(legacy)('lets nothing but gates share a network with %s', name => {
    const networks = dig(compose, 'services', name, 'networks') as string[]
    for (const network of networks) {
      expect(dig(compose, 'networks', network, 'internal')).toBe(true)
      const others = membersOf(network).filter(member => member !== name)
      expect(others).toHaveLength(1)
      expect(others[0]).toMatch(/-gate$/)
    }
    expect(networks.flatMap(membersOf)).toContain(`${name}-gate`)
  })

  it('publishes the gate of the storefront and nothing else, by default to this machine only', () => {
    const published = services.filter(([, { ports }]) => ports !== undefined)
    expect(published.map(([name]) => name)).toEqual(['storefront-gate'])
    expect(published[0]?.[1].ports).toEqual([expect.stringMatching(/^\$\{\w+:-127\.0\.0\.1:\d+\}:8080$/)])
  })

  it('takes every secret from a file, and none from the environment', () => {
    const secrets = Object.values(compose['secrets'] as Record<string, { file?: string }>)
    expect(secrets.every(({ file }) => file?.startsWith('./secrets/') === true)).toBe(true)
    const names = services.flatMap(([name]) =>
      Object.keys((dig(compose, 'services', name, 'environment') ?? {}) as object),
    )
    expect(names.filter(name => /secret|password|token|key/i.test(name))).toEqual([])
  })
})
