import { findChains } from './chains.ts'
import { describeEntry, describeVia } from './describe.ts'
import type { PolicyGraph } from './graph.ts'
import type { Reach, Step } from './reach.ts'

/** The graph for programs. */
export function graphJson({ system, reaches, findings }: PolicyGraph): string {
  const document = {
    version: 1,
    sidecars: system.gates.map(({ file, service, client, server, routes, policy }) => ({
      file,
      service,
      client,
      token_service: server,
      policy: policy?.digest,
      routes: routes.map(({ id, audience, mode }) => ({ id, audience, mode })),
    })),
    token_services: system.servers.map(({ file, issuer, clients, policy }) => ({
      file,
      issuer,
      clients: clients.map(({ id }) => id),
      policy: policy?.digest,
    })),
    entries: reaches.map(describeReach),
    findings,
    not_followed: system.notFollowed,
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

function describeReach(reach: Reach): unknown {
  const { chains, isCut } = findChains(reach)
  return {
    entry: describeEntry(reach.entry),
    issuer: reach.entry.issuer,
    at: describeVia(reach.entry.at),
    reaches: reach.reached.map(({ token, depth }) => ({
      audience: token.audience,
      issuer: token.issuer,
      client: token.client,
      actor: typeof token.actor === 'object' ? token.actor.client : token.actor,
      scope: { at_least: token.least, at_most: token.most },
      subject_kinds: token.kinds,
      least_actors: depth,
    })),
    chains: chains.map(steps => steps.map(describeStep)),
    more_chains: isCut,
  }
}

function describeStep({ via, outcome }: Step): unknown {
  const { token, rules } = outcome
  return {
    by: describeVia(via),
    audience: token.audience,
    scope: { at_least: token.least, at_most: token.most },
    rules,
  }
}
