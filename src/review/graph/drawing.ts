import { describeVia } from './describe.ts'
import type { PolicyGraph } from './graph.ts'
import type { Step } from './reach.ts'

/** A graph to draw: issuers and audiences, and the routes between them. */
export interface Drawing {
  readonly nodes: readonly DrawnNode[]
  readonly edges: readonly DrawnEdge[]
}

export interface DrawnNode {
  readonly id: string
  readonly label: string
  readonly shape: 'issuer' | 'way' | 'audience'
}

export interface DrawnEdge {
  readonly from: string
  readonly to: string
  readonly label: string
}

/** Puts everything together that can happen on each route, whatever the entry. */
export function drawGraph({ reaches }: PolicyGraph): Drawing {
  const nodes = new Map<string, DrawnNode>()
  const edges = new Map<string, { readonly from: string; readonly to: string; readonly scope: Set<string> }>()
  const node = (shape: DrawnNode['shape'], label: string): string => {
    const key = `${shape} ${label}`
    const known = nodes.get(key) ?? { id: `n${nodes.size + 1}`, label, shape }
    nodes.set(key, known)
    return known.id
  }
  const edge = (from: string, to: string, scope: readonly string[]): void => {
    const key = `${from} ${to}`
    const known = edges.get(key) ?? { from, to, scope: new Set<string>() }
    edges.set(key, known)
    for (const one of scope) known.scope.add(one)
  }
  const draw = ({ via, from, outcome }: Step): void => {
    const way = node('way', describeVia(via))
    const before = from.audience === undefined ? node('issuer', from.issuer) : node('audience', from.audience)
    if (from !== outcome.token) edge(before, way, [])
    edge(way, node('audience', outcome.token.audience ?? ''), outcome.token.most ?? ['any scope'])
  }
  for (const { reached, stepsFrom } of reaches) {
    for (const { steps } of reached) for (const step of steps) draw(step)
    for (const steps of stepsFrom.values()) for (const step of steps) draw(step)
  }
  return {
    nodes: [...nodes.values()],
    edges: [...edges.values()].map(({ from, to, scope }) => ({
      from,
      to,
      label: [...scope].sort().join(' '),
    })),
  }
}
