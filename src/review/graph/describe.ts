import { grantType } from '../../oauth/grant-type.ts'
import type { Via } from './exchanges.ts'
import type { Entry, Step } from './reach.ts'
import type { TokenClass } from './token-class.ts'

/** A way, in the words of the configuration that has it. */
export function describeVia(via: Via): string {
  if (via.kind === 'route') return `${via.gate.service} "${via.route.id}"`
  const { client, grant } = via
  if (grant === grantType.clientCredentials) return `${client.id} for itself`
  return grant === grantType.jwtBearer ? `${client.id} by an assertion` : `${client.id} (no sidecar here)`
}

export function describeEntry({ issuer, at }: Entry): string {
  return at.kind === 'client' && at.grant === grantType.clientCredentials
    ? describeVia(at)
    : `a token of ${issuer} at ${describeVia(at)}`
}

/** The audiences of a chain, and by what each is reached. */
export function describeChain(steps: readonly Step[]): string {
  return steps.map(({ via, outcome }) => `${describeVia(via)} → ${outcome.token.audience}`).join(' → ')
}

/** What tokens of a class hold: what they hold at most, and how much of it is certain. */
export function describeScope({ least, most }: TokenClass): string {
  if (most === undefined) return 'any scope'
  if (most.length === 0) return 'no scope'
  return most.map(scope => (least.includes(scope) ? scope : `[${scope}]`)).join(' ')
}
