import type { SubjectKind } from '../../model/subject-kind.ts'
import type { ExchangeMode } from '../../oauth/exchange-mode.ts'
import type { ScopeSet } from '../../oauth/scope-set.ts'
import type { PolicyDocument } from '../../policy/document.ts'
import { askAll, createPartialCase, type KnownParty, type PartialQuestion, unknown } from '../partial-case.ts'
import { createRulesAt } from '../rules-at.ts'
import type { TokenClass } from './token-class.ts'

/** Who acts when a token is presented: whom it names itself, if anybody, or a person whose token comes along. */
export type ActingClass = 'nobody' | 'client' | 'other' | 'person'

/** What a policy is asked about a class of tokens. */
export interface ClassQuestion {
  readonly mode: ExchangeMode
  readonly client: string
  readonly audience: string
  /** The least and the most that may be asked for. */
  readonly least: ScopeSet
  readonly most: ScopeSet
  /** Undefined when a machine asks for itself. */
  readonly subject:
    | { readonly token: TokenClass; readonly kind: SubjectKind; readonly acting: ActingClass }
    | undefined
  readonly environment: string | undefined
}

/** A rule that may decide, and what it permits at most. */
export interface PossibleRule {
  readonly id: string
  readonly scope: ScopeSet
}

export interface PossibleRules {
  readonly rules: readonly PossibleRule[]
  /** When there are none: why. */
  readonly reason: string
}

/**
 * Prepares a policy for questions about classes of tokens: which rules may decide. The checks are those that decide at
 * runtime. What they ask of claims, the case, the login, the time, an approval and conditions in CEL is taken for
 * satisfiable; the rules after one that certainly decides are not.
 *
 * @param server issuer identifier of the token service whose clients the document speaks of
 */
export function createPossibleRules(
  document: PolicyDocument,
  server: string,
): (question: ClassQuestion) => PossibleRules {
  const rulesAt = createRulesAt(document)
  return question => {
    const client = document.clients.get(question.client)
    if (client === undefined) return none(`the policy does not know the client ${question.client}`)
    const candidates = rulesAt(question.mode, question.audience)
    if (candidates.length === 0) return none(`no rule permits ${question.mode} into ${question.audience}`)
    const ask = (scope: ScopeSet) =>
      createPartialCase({
        client,
        audience: question.audience,
        scope,
        ...partiesOf(question, document, server),
        caseId: unknown,
        environment: question.environment,
        now: unknown,
        server,
        ticket: undefined,
      })
    const askLeast = ask(question.least)
    const askMost = ask(question.most)
    const possible: PossibleRule[] = []
    for (const { id, scope, steps } of candidates) {
      const checks = steps.flat()
      // Whoever asks for more fails wherever one who asks for the least does.
      const answer = askAll(checks, askLeast)
      if (answer === 'no') continue
      possible.push({ id, scope })
      if (answer === 'yes' && askAll(checks, askMost) === 'yes') break
    }
    return possible.length > 0
      ? { rules: possible, reason: '' }
      : none(
          `no rule permits ${describeScope(question.least)} into ${question.audience} to ${question.client}`,
        )
  }
}

function none(reason: string): PossibleRules {
  return { rules: [], reason }
}

function describeScope(scope: ScopeSet): string {
  return scope.length === 0 ? 'no scope' : scope.join(' ')
}

const anyone: KnownParty = {
  subject: unknown,
  issuer: unknown,
  tenant: unknown,
  roles: unknown,
  claims: unknown,
}

function partiesOf(
  { subject }: ClassQuestion,
  document: PolicyDocument,
  server: string,
): Pick<PartialQuestion, 'subject' | 'actor'> {
  if (subject === undefined) return { subject: undefined, actor: undefined }
  const { token, kind, acting } = subject
  return {
    subject: { ...anyone, kind, issuer: token.issuer === server ? token.origin : token.issuer },
    actor: actorOf(token, acting, document, server),
  }
}

function actorOf(
  { actor, issuer }: TokenClass,
  acting: ActingClass,
  document: PolicyDocument,
  server: string,
): PartialQuestion['actor'] {
  if (acting === 'nobody') return undefined
  if (acting !== 'client' || typeof actor !== 'object') {
    return { ...anyone, kind: acting === 'person' ? 'person' : 'other' }
  }
  // The token service names a client by `sub` and `iss`, and nothing else.
  const isKnown = issuer === server && document.clients.has(actor.client)
  return {
    subject: actor.client,
    issuer,
    tenant: undefined,
    roles: [],
    claims: unknown,
    kind: isKnown ? 'client' : 'other',
  }
}

/** The ways in which somebody can act when such a token is presented. */
export function actingClasses({ actor }: TokenClass, takesPerson: boolean): readonly ActingClass[] {
  const named: readonly ActingClass[] =
    actor === 'anybody'
      ? ['nobody', 'other']
      : actor === 'nobody'
        ? ['nobody']
        : actor === 'person'
          ? ['other']
          : ['client']
  return takesPerson ? [...named, 'person'] : named
}
