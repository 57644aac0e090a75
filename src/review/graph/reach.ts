import { emptyScope } from '../../oauth/scope-set.ts'
import type { Exchanges, Via } from './exchanges.ts'
import type { Outcome, Outcomes } from './outcome.ts'
import type { System } from './system.ts'
import { type TokenClass, tokenKey } from './token-class.ts'

/** Where tokens come into the system. */
export interface Entry {
  /** Who issued the token that comes in; the token service itself for what a client has for itself. */
  readonly issuer: string
  /** Where it is presented first. */
  readonly at: Via
}

/** One exchange that can happen. */
export interface Step {
  readonly via: Via
  readonly from: TokenClass
  readonly outcome: Outcome
}

/** A class of tokens that an entry leads to. */
export interface Reached {
  readonly token: TokenClass
  /** The least number of actors in its chain. */
  readonly depth: number
  /** One way there with that number. */
  readonly steps: readonly Step[]
}

/** Everything that one entry leads to. */
export interface Reach {
  readonly entry: Entry
  readonly reached: readonly Reached[]
  /** Every exchange that can happen on the way, by the key of the class that it begins with. */
  readonly stepsFrom: ReadonlyMap<string, readonly Step[]>
}

/** What {@link findReach} finds. */
export interface ReachResult {
  readonly reaches: readonly Reach[]
  /** Why nothing passes, for each way that nothing passes. */
  readonly blocked: ReadonlyMap<Via, readonly string[]>
}

interface Node {
  readonly token: TokenClass
  depth: number
  /** How it was reached with this depth. */
  by: { readonly step: Step; readonly before: Node | undefined } | undefined
}

/**
 * Follows every token from every entry through every exchange until nothing new is found. It ends: classes differ in issuer,
 * audience, client, actor and in scopes, of which a system names only so many.
 */
export function findReach(system: System, exchanges: Exchanges): ReachResult {
  const passed = new Set<Via>()
  const reasons = new Map<Via, Set<string>>()
  const known = new Map<Via, Map<string, Outcomes>>()

  const exchange = (via: Via, token: TokenClass): readonly Outcome[] => {
    const key = tokenKey(token)
    let byToken = known.get(via)
    if (byToken === undefined) {
      byToken = new Map()
      known.set(via, byToken)
    }
    let result = byToken.get(key)
    if (result === undefined) {
      result = exchanges.exchange(via, token)
      byToken.set(key, result)
    }
    if (result.outcomes.length > 0) passed.add(via)
    const why = reasons.get(via) ?? new Set()
    reasons.set(via, why)
    for (const reason of result.reasons) why.add(reason)
    return result.outcomes
  }

  const follow = (entry: Entry, start: readonly Step[]): Reach => {
    const nodes = new Map<string, Node>()
    const stepsFrom = new Map<string, readonly Step[]>()
    const waiting: Node[] = []
    const arrive = (step: Step, before: Node | undefined): void => {
      const { outcome } = step
      const depthBefore = before?.depth ?? 0
      const depth = outcome.depthAfter(depthBefore)
      if (depthBefore > outcome.deepestIn || depth > outcome.deepestOut) return
      const key = tokenKey(outcome.token)
      const node = nodes.get(key)
      if (node === undefined) {
        const found: Node = { token: outcome.token, depth, by: { step, before } }
        nodes.set(key, found)
        waiting.push(found)
      } else if (depth < node.depth) {
        node.depth = depth
        node.by = { step, before }
        waiting.push(node)
      }
    }
    for (const step of start) arrive(step, undefined)
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      const key = tokenKey(node.token)
      const from = node.token
      const steps =
        stepsFrom.get(key) ??
        exchanges.ways.flatMap(via => exchange(via, from).map(outcome => ({ via, from, outcome })))
      stepsFrom.set(key, steps)
      for (const step of steps) arrive(step, node)
    }
    const reached = [...nodes.values()].map(node => ({
      token: node.token,
      depth: node.depth,
      steps: wayTo(node),
    }))
    return { entry, reached, stepsFrom }
  }

  const reaches: Reach[] = []
  for (const via of exchanges.ways) {
    for (const issuer of outsideIssuers(system, via)) {
      const from = outsideToken(issuer)
      const start = exchange(via, from).map(outcome => ({ via, from, outcome }))
      if (start.length > 0) reaches.push(follow({ issuer, at: via }, start))
    }
  }
  for (const { via, outcome } of exchanges.machineTokens()) {
    const from = outcome.token
    reaches.push(follow({ issuer: from.issuer, at: via }, [{ via, from, outcome }]))
  }
  const blocked = new Map(
    exchanges.ways.filter(via => !passed.has(via)).map(via => [via, [...(reasons.get(via) ?? [])]]),
  )
  return { reaches, blocked }
}

/** Any token of an issuer of which nothing is known but that it is accepted somewhere. */
function outsideToken(issuer: string): TokenClass {
  return {
    issuer,
    audience: undefined,
    client: undefined,
    actor: 'anybody',
    least: emptyScope,
    most: undefined,
    kinds: ['machine', 'user'],
    origin: issuer,
  }
}

/** The issuers whose tokens are taken here and of which no configuration says what they issue. */
function outsideIssuers({ servers }: System, via: Via): readonly string[] {
  const { accepts } = via.kind === 'route' ? via.gate : via.server
  const issuers = new Set(accepts.map(({ issuer }) => issuer))
  for (const { issuer } of servers) issuers.delete(issuer)
  return [...issuers]
}

function wayTo(node: Node): readonly Step[] {
  const steps: Step[] = []
  for (let by = node.by; by !== undefined; by = by.before?.by) steps.unshift(by.step)
  return steps
}
