import { createExchanges } from './exchanges.ts'
import { type Finding, findFindings } from './findings.ts'
import { findReach, type Reach } from './reach.ts'
import { type ReadConfig, readSystem, type System } from './system.ts'

/** Where tokens can go in a system, and what is wrong with it. */
export interface PolicyGraph {
  readonly system: System
  readonly reaches: readonly Reach[]
  readonly findings: readonly Finding[]
}

/**
 * Finds everything that can happen to tokens between these configurations. It may find more than can happen, and never less:
 * docs/tools/policy-graph.md says what it takes for possible.
 */
export function buildGraph(configs: readonly ReadConfig[]): PolicyGraph {
  return buildSystemGraph(readSystem(configs))
}

/** {@link buildGraph} for a system that was read already. */
export function buildSystemGraph(system: System): PolicyGraph {
  const found = findReach(system, createExchanges(system))
  return { system, reaches: found.reaches, findings: findFindings(system, found) }
}
