import { grantType } from '../../oauth/grant-type.ts'
import { emptyScope, intersectScope, isScopeWithin, type ScopeSet } from '../../oauth/scope-set.ts'
import { depthAfter, type Outcome, OutcomeCollector, type Outcomes, refused, unlimited } from './outcome.ts'
import type { AskRules } from './policies.ts'
import type { ActingClass, ClassQuestion } from './possible-rules.ts'
import { actingClasses } from './possible-rules.ts'
import type { Acceptance, ServerClient, TokenServer } from './system.ts'
import type { TokenActor, TokenClass } from './token-class.ts'

/** What a token service is asked, with what the gate before it found. */
export interface ServerRequest {
  readonly question: ClassQuestion & { readonly subject: NonNullable<ClassQuestion['subject']> }
  readonly grant: string
  readonly resource: string | undefined
  /** Rules that have permitted it so far. */
  readonly rules: readonly string[]
  /** Deepest chain that has passed so far. */
  readonly deepestIn: number
}

/** What a token service makes of a request: everything that `permitIssuance` decides, for classes of tokens. */
export function exchangeAtServer(
  server: TokenServer,
  { question, grant, resource, ...before }: ServerRequest,
  askRules: AskRules,
): Outcomes {
  const { audience, subject } = question
  const { token, acting } = subject
  const at = `at ${server.issuer}`
  const client = server.clients.find(({ id }) => id === question.client)
  if (client === undefined) return refused(`${at}, nobody is called ${question.client}`)
  if (!client.grants.has(grant)) return refused(`${at}, ${client.id} may not use the grant ${grant}`)
  const accepted = acceptAtServer(server, client, grant, token)
  if (accepted === undefined) return refused(`${at}, ${client.id} may not present a ${describeToken(token)}`)
  const target = targetOf(server, client, audience)
  if (target === undefined) return refused(`${at}, ${client.id} may not ask for ${audience}`)
  const unfit = unfitness(target, client.id, { audience, resource, least: question.least })
  if (unfit !== undefined) return refused(`${at}, ${unfit}`)
  const most = intersectScope(question.most, target.scope)
  const asked = { ...question, most, environment: server.environment }
  const deciding = askRules(server, asked)
  if (deciding.rules.length === 0) return refused(`${at}, ${deciding.reason}`)
  const actor = nextActor(question)
  const outcomes = deciding.rules.map(
    ({ id, scope }): Outcome => ({
      token: {
        issuer: server.issuer,
        audience,
        client: client.id,
        actor,
        least: question.least,
        most: scope === undefined ? most : intersectScope(most, scope),
        kinds: [subject.kind],
        origin: token.issuer === server.issuer ? token.origin : token.issuer,
      },
      rules: id === undefined ? before.rules : [...before.rules, id],
      depthAfter: depthAfter(token.actor, actor),
      deepestIn: Math.min(before.deepestIn, accepted.maxActorDepth),
      deepestOut: actor === 'nobody' ? unlimited : server.maxActorDepth,
      mostVisits: acting === 'person' ? unlimited : server.maxActorVisits,
    }),
  )
  return { outcomes, reasons: [] }
}

/** What a client without a sidecar can make of a token: anything that it may ask for. */
export function exchangeByClient(
  server: TokenServer,
  client: ServerClient,
  grant: string,
  token: TokenClass,
  askRules: AskRules,
): Outcomes {
  const found = new OutcomeCollector()
  const isExchange = grant === grantType.tokenExchange
  for (const [audience, target] of targetsOf(server, client)) {
    const most = token.most === undefined ? target.scope : intersectScope(target.scope, token.most)
    for (const mode of isExchange ? (['delegation', 'impersonation'] as const) : (['delegation'] as const)) {
      for (const { acting, kind } of occasions(token, isExchange)) {
        const question = {
          mode,
          client: client.id,
          audience,
          least: emptyScope,
          most,
          subject: { token, kind, acting },
          environment: server.environment,
        }
        const request = { question, grant, resource: undefined, rules: [], deepestIn: unlimited }
        found.add(exchangeAtServer(server, request, askRules))
      }
    }
  }
  return found.outcomes
}

/** What a client is asked to have for itself. */
export interface MachineRequest {
  readonly client: string
  readonly audience: string
  readonly resource: string | undefined
  readonly least: ScopeSet
  readonly most: ScopeSet
  /** Rules that have permitted it so far. */
  readonly rules: readonly string[]
  /** Deepest chain of the caller that has passed so far. */
  readonly deepestIn: number
}

/** The token that a client can have for itself (RFC 6749 §4.4): nobody acts in it, and it begins a life of its own. */
export function machineAtServer(
  server: TokenServer,
  { audience, resource, least, ...request }: MachineRequest,
  askRules: AskRules,
): Outcomes {
  const { environment, issuer } = server
  const at = `at ${issuer}`
  const client = server.clients.find(({ id }) => id === request.client)
  if (client === undefined) return refused(`${at}, nobody is called ${request.client}`)
  if (!client.grants.has(grantType.clientCredentials)) {
    return refused(`${at}, ${client.id} may not use the grant ${grantType.clientCredentials}`)
  }
  const target = targetOf(server, client, audience)
  const unfit = target === undefined ? undefined : unfitness(target, client.id, { audience, resource, least })
  if (target === undefined) return refused(`${at}, ${client.id} may not ask for ${audience}`)
  if (unfit !== undefined) return refused(`${at}, ${unfit}`)
  const most = intersectScope(request.most, target.scope)
  const question = {
    mode: 'machine',
    client: client.id,
    audience,
    least,
    most,
    subject: undefined,
    environment,
  } as const
  const deciding = askRules(server, question)
  if (deciding.rules.length === 0) return refused(`${at}, ${deciding.reason}`)
  const outcomes = deciding.rules.map(
    ({ id, scope }): Outcome => ({
      token: {
        issuer,
        audience,
        client: client.id,
        actor: 'nobody',
        least,
        most: scope === undefined ? most : intersectScope(most, scope),
        kinds: ['machine'],
        origin: issuer,
      },
      rules: id === undefined ? request.rules : [...request.rules, id],
      depthAfter: () => 0,
      deepestIn: request.deepestIn,
      deepestOut: unlimited,
      mostVisits: unlimited,
    }),
  )
  return { outcomes, reasons: [] }
}

/** Every token that a client can have for itself. */
export function machineTokens(
  server: TokenServer,
  client: ServerClient,
  askRules: AskRules,
): readonly Outcome[] {
  return targetsOf(server, client).flatMap(([audience, { scope }]) => {
    const asked = { client: client.id, audience, resource: undefined, least: emptyScope, most: scope }
    return machineAtServer(server, { ...asked, rules: [], deepestIn: unlimited }, askRules).outcomes
  })
}

/** Every way in which a token of a class can be presented. */
export function occasions(
  token: TokenClass,
  takesPerson: boolean,
): readonly { readonly acting: ActingClass; readonly kind: TokenClass['kinds'][number] }[] {
  return actingClasses(token, takesPerson).flatMap(acting => token.kinds.map(kind => ({ acting, kind })))
}

/** Who the current actor of the issued token is. */
export function nextActor({ mode, client, subject }: ClassQuestion): TokenActor {
  if (mode === 'impersonation') return 'nobody'
  return subject?.acting === 'person' ? 'person' : { client }
}

/** The first entry that takes such tokens. */
export function accept(
  acceptances: readonly Acceptance[],
  { issuer, audience }: TokenClass,
): Acceptance | undefined {
  return acceptances.find(
    accepted =>
      accepted.issuer === issuer && (audience === undefined || accepted.audience.includes(audience)),
  )
}

export function lacking(wanted: ScopeSet, held: ScopeSet): string {
  return wanted.filter(scope => !held.includes(scope)).join(' ')
}

export function describeToken({ issuer, audience }: TokenClass): string {
  return audience === undefined ? `token of ${issuer}` : `token for ${audience} of ${issuer}`
}

function acceptAtServer(
  { issuer, maxActorDepth, accepts }: TokenServer,
  client: ServerClient,
  grant: string,
  token: TokenClass,
): Pick<Acceptance, 'maxActorDepth'> | undefined {
  const accepted = token.issuer === issuer ? { maxActorDepth } : accept(accepts, token)
  // An assertion (RFC 7523) is for the token service itself, any other token for the client.
  const isForClient =
    grant !== grantType.tokenExchange || token.audience === undefined || client.accepts.has(token.audience)
  return isForClient ? accepted : undefined
}

/** Why a target does not fit what is asked for. */
function unfitness(
  target: Target,
  client: string,
  asked: { readonly audience: string; readonly resource: string | undefined; readonly least: ScopeSet },
): string | undefined {
  const { audience, resource, least } = asked
  if (resource !== undefined && resource !== audience && !target.resources.includes(resource)) {
    return `${resource} is no resource of ${audience}`
  }
  if (isScopeWithin(least, target.scope)) return undefined
  return `${client} may not have ${lacking(least, target.scope)} at ${audience}`
}

interface Target {
  readonly scope: ScopeSet
  readonly resources: readonly string[]
}

function targetOf(server: TokenServer, client: ServerClient, audience: string): Target | undefined {
  return new Map(targetsOf(server, client)).get(audience)
}

/** A client's own audiences, else every one of the policy. */
function targetsOf(
  { policy }: TokenServer,
  { audiences }: ServerClient,
): readonly (readonly [string, Target])[] {
  if (audiences !== undefined) return [...audiences]
  return [...(policy?.audiences.values() ?? [])].map(({ id, scope }) => [id, { scope, resources: [] }])
}
