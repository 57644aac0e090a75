import { describe, expect, it } from 'vitest'
import { dig, readYaml } from './deploy-files.ts'

const hub = readYaml('deploy/kubernetes/hub/deployment.yaml')
const gate = readYaml('deploy/kubernetes/sidecar/gate.yaml')
const gated = readYaml('deploy/kubernetes/orders/gated.yaml')
const hubPod = dig(hub, 'spec', 'template', 'spec')
const gatePod = dig(gate, 'spec', 'template', 'spec')
const containers = [
  { name: 'the hub', pod: hubPod, container: dig(hubPod, 'containers', 0) },
  { name: 'the gate', pod: gatePod, container: dig(gatePod, 'initContainers', 0) },
]

describe.each(containers)('$name on Kubernetes', ({ pod, container }) => {
  /** What holds for the container: its own setting, else the pod's. */
  const setting = (name: string) =>
    dig(container, 'securityContext', name) ?? dig(pod, 'securityContext', name)

  it('fits the restricted Pod Security Standard, and its root is read-only', () => {
    expect(setting('runAsNonRoot')).toBe(true)
    expect(setting('runAsUser')).toBe(65532)
    expect(dig(setting('seccompProfile'), 'type')).toBe('RuntimeDefault')
    expect(dig(container, 'securityContext')).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    for (const name of ['hostNetwork', 'hostPID', 'hostIPC']) expect(dig(pod, name)).toBeUndefined()
  })

  it('is asked on its admin port whether it started, lives, and is ready', () => {
    const ports = dig(container, 'ports') as { name: string; containerPort: number }[]
    const portOf = (probe: string) => {
      const name = dig(container, probe, 'httpGet', 'port')
      return ports.find(port => port.name === name)?.containerPort
    }
    const probes = ['startupProbe', 'livenessProbe', 'readinessProbe']
    expect(probes.map(portOf)).toEqual([9090, 9090, 9090])
    expect(probes.map(probe => dig(container, probe, 'httpGet', 'path'))).toEqual([
      '/livez',
      '/livez',
      '/readyz',
    ])
  })

  it('says what it needs and has a bound on memory', () => {
    expect(dig(container, 'resources')).toMatchObject({
      requests: { cpu: expect.any(String), memory: expect.any(String) },
      limits: { memory: expect.any(String) },
    })
  })

  it('gets its key as a file of a Secret, mounted read-only', () => {
    const mounts = dig(container, 'volumeMounts') as { name: string; readOnly?: boolean }[]
    expect(mounts.every(({ readOnly }) => readOnly === true)).toBe(true)
    const volumes = dig(pod, 'volumes') as { name: string; secret?: unknown }[]
    const secrets = volumes.filter(({ secret }) => secret !== undefined).map(({ name }) => name)
    expect(mounts.map(({ name }) => name)).toEqual(expect.arrayContaining(secrets))
    expect(secrets.length).toBeGreaterThan(0)
  })

  it('gets the policy from the one ConfigMap whose name stays', () => {
    const mounts = dig(container, 'volumeMounts') as { name: string; mountPath: string }[]
    const mount = mounts.find(({ mountPath }) => mountPath === '/etc/hopgate-policy')
    const volumes = dig(pod, 'volumes') as { name: string }[]
    const volume = volumes.find(({ name }) => name === mount?.name)
    expect(dig(volume, 'configMap', 'name')).toBe('hopgate-policy')
    const generated = dig(readYaml('deploy/kubernetes/policy/kustomization.yaml'), 'configMapGenerator', 0)
    expect(generated).toMatchObject({
      name: 'hopgate-policy',
      files: ['policy.yaml'],
      options: { disableNameSuffixHash: true },
    })
  })

  it('has more time to stop than draining takes', () => {
    const drainSeconds = 25
    const preStop = dig(container, 'lifecycle', 'preStop', 'sleep', 'seconds') ?? 0
    expect(dig(pod, 'terminationGracePeriodSeconds')).toBeGreaterThan(drainSeconds + Number(preStop) + 5)
  })
})

describe('the gate before a legacy service', () => {
  it('is a native sidecar: up before the service, gone after it', () => {
    expect(dig(gatePod, 'initContainers', 0, 'restartPolicy')).toBe('Always')
    expect(dig(gatePod, 'containers')).toBeUndefined()
  })

  it('is the only one who mounts the client key', () => {
    expect(dig(gated, 'spec', 'template', 'spec', 'containers', 0, 'volumeMounts')).toBeUndefined()
  })

  it('takes over the address of the service', () => {
    const gatePort = dig(gatePod, 'initContainers', 0, 'ports', 0, 'containerPort')
    expect(
      dig(readYaml('deploy/kubernetes/orders/service-to-gate.yaml'), 'spec', 'ports', 0, 'targetPort'),
    ).toBe(gatePort)
  })

  it('is the only way in: no policy opens the port of the service', () => {
    const policy = readYaml('deploy/kubernetes/orders/network-policy.yaml')
    const rules = dig(policy, 'spec', 'ingress') as { ports: { port: number }[] }[]
    expect(rules.flatMap(({ ports }) => ports.map(({ port }) => port)).sort()).toEqual([8080, 9090])
    expect(rules.every(({ ports }) => ports.length > 0)).toBe(true)
    const fallback = readYaml('deploy/kubernetes/network-policy.yaml')
    expect(dig(fallback, 'spec')).toEqual({ podSelector: {}, policyTypes: ['Ingress'] })
  })

  it('may reach the hub by the label that the hub lets in', () => {
    const policy = readYaml('deploy/kubernetes/hub/network-policy.yaml')
    const admitted = dig(policy, 'spec', 'ingress', 0, 'from', 0, 'podSelector', 'matchLabels')
    expect(dig(gate, 'spec', 'template', 'metadata', 'labels')).toMatchObject(admitted as object)
    expect(dig(policy, 'spec', 'podSelector')).toEqual(dig(hub, 'spec', 'selector'))
  })
})

describe('the hub on Kubernetes', () => {
  it('survives the loss of a replica and of a node that is drained', () => {
    expect(dig(hub, 'spec', 'replicas')).toBeGreaterThan(1)
    expect(dig(hub, 'spec', 'strategy', 'rollingUpdate', 'maxUnavailable')).toBe(0)
    const budget = readYaml('deploy/kubernetes/hub/disruption-budget.yaml')
    expect(dig(budget, 'spec')).toEqual({ selector: dig(hub, 'spec', 'selector'), maxUnavailable: 1 })
  })
})
