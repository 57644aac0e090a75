import { isScopeWithin } from '../../oauth/scope-set.ts'
import type { PolicyDocument } from '../../policy/document.ts'
import { findCycles } from './cycles.ts'
import { describeChain, describeEntry, describeVia } from './describe.ts'
import type { Via } from './exchanges.ts'
import type { Reach, ReachResult } from './reach.ts'
import type { System } from './system.ts'

/** What can be wrong with a system, in the order in which it is reported. */
export const findingKinds = [
  'widening',
  'loop',
  'callback',
  'unserved-audience',
  'unsatisfiable-route',
  'orphan-audience',
  'different-policies',
] as const

export type FindingKind = (typeof findingKinds)[number]

export interface Finding {
  readonly kind: FindingKind
  /** One sentence without its full stop. */
  readonly message: string
  /** What leads to it. */
  readonly because: readonly string[]
}

/** Everything that is wrong with a system, each thing once. */
export function findFindings(system: System, { reaches, blocked }: ReachResult): readonly Finding[] {
  const found = [
    ...reaches.flatMap(findWidening),
    ...reaches.flatMap(findLoops),
    ...findUnserved(system, reaches),
    ...findUnsatisfiable(blocked),
    ...findOrphans(system, reaches),
    ...findDifferentPolicies(system),
  ]
  const once = new Map<string, Finding>()
  for (const finding of found) {
    const key = `${finding.kind} ${finding.message}`
    if (!once.has(key)) once.set(key, finding)
  }
  return [...once.values()].toSorted((a, b) => findingKinds.indexOf(a.kind) - findingKinds.indexOf(b.kind))
}

function findWidening({ entry, reached, stepsFrom }: Reach): Finding[] {
  return [...stepsFrom.values()].flat().flatMap(({ via, from, outcome }) => {
    const { most = from.most } = outcome.token
    if (from.most === undefined || most === undefined || isScopeWithin(most, from.most)) return []
    const before = from.most
    const gained = most.filter(scope => !before.includes(scope))
    const way = reached.find(({ token }) => token === from)?.steps ?? []
    return {
      kind: 'widening' as const,
      message: `${describeVia(via)} gives ${gained.join(' ')} at ${outcome.token.audience}, which ${describeEntry(entry)} never had`,
      because: [describeChain([...way, { via, from, outcome }])],
    }
  })
}

function findLoops(reach: Reach): Finding[] {
  return findCycles(reach).map(({ steps, isBounded }) => {
    const chain = describeChain(rotate(steps))
    return isBounded
      ? {
          kind: 'callback' as const,
          message: `tokens go round until their chain of actors is too long: ${chain}`,
          because: [describeEntry(reach.entry)],
        }
      : {
          kind: 'loop' as const,
          message: `tokens can go round, and no chain of actors grows that would end it: ${chain}`,
          because: [describeEntry(reach.entry)],
        }
  })
}

/** The same cycle is told in the same way wherever it was entered. */
function rotate<
  T extends {
    readonly via: Via
    readonly outcome: { readonly token: { readonly audience: string | undefined } }
  },
>(steps: readonly T[]): readonly T[] {
  const texts = steps.map(({ via, outcome }) => `${outcome.token.audience} ${describeVia(via)}`)
  const first = texts.indexOf(texts.toSorted()[0] ?? '')
  return [...steps.slice(first), ...steps.slice(0, first)]
}

/**
 * An audience is served by whom a policy says; by a sidecar that takes its tokens; and, where no policy speaks of it, by the
 * service behind the sidecar that has its tokens issued.
 */
function findUnserved({ gates, servers }: System, reaches: readonly Reach[]): Finding[] {
  const documents = policiesOf({ gates, servers })
  const issued = new Map<string, { readonly issuer: string; readonly chain: string }>()
  for (const { reached } of reaches) {
    for (const { token, steps } of reached) {
      const { audience, issuer } = token
      if (audience !== undefined) issued.set(`${issuer} ${audience}`, { issuer, chain: describeChain(steps) })
    }
  }
  return [...issued].flatMap(([key, { issuer, chain }]) => {
    const audience = key.slice(issuer.length + 1)
    const known = documents.flatMap(document => document.audiences.get(audience) ?? [])
    const isAccepted = gates.some(({ accepts }) =>
      accepts.some(accepted => accepted.issuer === issuer && accepted.audience.includes(audience)),
    )
    const isServed =
      known.length > 0
        ? known.some(({ servedBy }) => servedBy.length > 0)
        : gates.some(
            ({ server, routes }) => server === issuer && routes.some(route => route.audience === audience),
          )
    if (isAccepted || isServed) return []
    return {
      kind: 'unserved-audience' as const,
      message: `tokens are issued for ${audience}, which nobody serves`,
      because: [chain],
    }
  })
}

function findUnsatisfiable(blocked: ReachResult['blocked']): Finding[] {
  return [...blocked].flatMap(([via, reasons]) =>
    via.kind === 'route'
      ? {
          kind: 'unsatisfiable-route' as const,
          message: `nothing can pass ${describeVia(via)}`,
          because: reasons.length === 0 ? [`no token is issued for ${via.gate.service}`] : reasons,
        }
      : [],
  )
}

function findOrphans(system: System, reaches: readonly Reach[]): Finding[] {
  const used = new Set(reaches.flatMap(({ reached }) => reached.map(({ token }) => token.audience)))
  for (const { routes } of system.gates) {
    for (const { audience, trustDomain } of routes) {
      used.add(audience)
      if (trustDomain !== undefined) used.add(trustDomain)
    }
  }
  // Transaction Tokens and tickets are not followed, and yet what they are for is used.
  for (const { trustDomain } of system.servers) if (trustDomain !== undefined) used.add(trustDomain)
  for (const { rules } of policiesOf(system)) {
    for (const { ticket, into } of rules) {
      if (ticket !== undefined && into !== 'own') for (const audience of into) used.add(audience)
    }
  }
  for (const { accepts } of system.gates)
    for (const { audience } of accepts) for (const one of audience) used.add(one)
  return policiesOf(system).flatMap(document =>
    [...document.audiences.keys()]
      .filter(audience => !used.has(audience))
      .map(audience => ({
        kind: 'orphan-audience' as const,
        message: `the policy has the audience ${audience}, which no configuration here uses`,
        because: [`policy ${document.digest.slice(0, 12)}`],
      })),
  )
}

function findDifferentPolicies({ gates, servers }: System): Finding[] {
  const files = new Map<string, string[]>()
  for (const { file, policy } of [...gates, ...servers]) {
    if (policy === undefined) continue
    const named = files.get(policy.digest) ?? []
    if (!named.includes(file)) named.push(file)
    files.set(policy.digest, named)
  }
  if (files.size < 2) return []
  return [
    {
      kind: 'different-policies',
      message: `the configurations name ${files.size} different policies`,
      because: [...files].map(([digest, named]) => `${digest.slice(0, 12)}: ${named.join(', ')}`),
    },
  ]
}

/** Each policy once. */
function policiesOf({ gates, servers }: Pick<System, 'gates' | 'servers'>): readonly PolicyDocument[] {
  const documents = new Map<string, PolicyDocument>()
  for (const { policy } of [...gates, ...servers])
    if (policy !== undefined) documents.set(policy.digest, policy)
  return [...documents.values()]
}
