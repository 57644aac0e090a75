import { fail, ok, type Result } from '../../base/result.ts'
import { isJsonObject, parseStrictJson } from '../../base/strict-json.ts'
import type { StsAudience, StsClient } from '../../config/sidecar-config.ts'
import { isCaseId } from '../../oauth/case-id.ts'
import { parseScope, type ScopeSet, scopeSet } from '../../oauth/scope-set.ts'
import { type TokenTypeUri, tokenType } from '../../oauth/token-type.ts'
import type { PolicyDocument } from '../../policy/document.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenForm } from '../token-form.ts'

/** What a token exchange request asks for (RFC 8693 §2.1), without its target. */
export interface ExchangeParameters {
  readonly subjectToken: string
  readonly issuedTokenType: TokenTypeUri
  /** undefined when the client left the scope to the service. */
  readonly scope: ScopeSet | undefined
  /** The token of the person who acts; undefined when the client does. */
  readonly actorToken: string | undefined
  readonly mode: 'delegation' | 'impersonation'
  /** The case that the client names (`case_id` of `request_context`). */
  readonly caseId: string | undefined
}

/** The one target of a request, and what the client may have there. */
export interface ExchangeTarget {
  readonly audience: string
  /** What may be named as the resource beside the audience. */
  readonly resources: ReadonlySet<string>
  readonly scope: ScopeSet
  readonly ttlSeconds: number | undefined
}

/** The targets of one client, by audience. */
export type ExchangeTargets = ReadonlyMap<string, ExchangeTarget>

/**
 * Prepares a client's audiences: its own, else every one of the policy, which then has the say alone. Throws a TypeError when
 * a configured scope is no scope token.
 */
export function exchangeTargets(client: StsClient, policy?: PolicyDocument): ExchangeTargets {
  const targets = new Map<string, ExchangeTarget>()
  for (const [audience, { scope, resources, ttlSeconds }] of client.audiences ?? policyAudiences(policy)) {
    targets.set(audience, { audience, resources: new Set(resources), scope: scopeSet(scope), ttlSeconds })
  }
  return targets
}

function* policyAudiences(policy: PolicyDocument | undefined): Iterable<[string, StsAudience]> {
  for (const { id, scope } of policy?.audiences.values() ?? []) yield [id, { scope, ttlSeconds: undefined }]
}

/** Both mean the same here: every access token that is accepted or issued is a JWT. */
const acceptedTypes: ReadonlySet<TokenTypeUri> = new Set([tokenType.accessToken, tokenType.jwt])

/** Reads the parameters. What is not supported is refused, never passed over. */
export function readExchangeParameters(form: TokenForm): Result<ExchangeParameters, TokenError> {
  const subjectToken = form.one('subject_token')
  const subjectTokenType = form.one('subject_token_type')
  const requestedTokenType = form.one('requested_token_type')
  if (subjectToken === undefined) return refuse('subject_token is missing')
  if (subjectTokenType === undefined) return refuse('subject_token_type is missing')
  if (!acceptedTypes.has(subjectTokenType)) return refuse('subject_token_type is not supported')
  const actorToken = form.one('actor_token')
  const actorTokenType = form.one('actor_token_type')
  if ((actorToken === undefined) !== (actorTokenType === undefined)) {
    return refuse('actor_token and actor_token_type belong together')
  }
  if (actorTokenType !== undefined && !acceptedTypes.has(actorTokenType)) {
    return refuse('actor_token_type is not supported')
  }
  const mode = form.one('exchange_mode') ?? 'delegation'
  if (mode !== 'delegation' && mode !== 'impersonation') return refuse('exchange_mode is not supported')
  if (requestedTokenType !== undefined && !acceptedTypes.has(requestedTokenType)) {
    return refuse('requested_token_type is not supported')
  }
  const scopeText = form.one('scope')
  const scope = scopeText === undefined ? undefined : parseScope(scopeText)
  if (scopeText !== undefined && scope === undefined) {
    return fail(tokenError('invalid_scope', 'scope is malformed'))
  }
  const context = readRequestContext(form.one('request_context'))
  if (context === undefined) return refuse('request_context is malformed')
  return ok({
    subjectToken,
    issuedTokenType: requestedTokenType ?? tokenType.accessToken,
    scope,
    actorToken,
    mode,
    caseId: context.caseId,
  })
}

const longestContext = 4_096

/**
 * Reads `request_context`, a JSON object in which a client says on which occasion it asks (the name is that of the
 * Transaction Tokens draft). Other members than `case_id` mean nothing here. Undefined when it cannot be read.
 */
export function readRequestContext(
  text: string | undefined,
): { readonly caseId: string | undefined } | undefined {
  if (text === undefined) return { caseId: undefined }
  const context = text.length > longestContext ? undefined : parseStrictJson(text)
  if (!isJsonObject(context)) return undefined
  const caseId = context['case_id']
  if (caseId === undefined) return { caseId }
  return typeof caseId === 'string' && isCaseId(caseId) ? { caseId } : undefined
}

/**
 * Finds the one audience that the request names, by `audience` or by `resource` (RFC 8707 §2), among those that the
 * client may ask for. Compared byte for byte. A resource that is configured for the audience beside it is that same
 * target. Two different targets in one request would give each the rights that were meant for the other, so they are
 * refused.
 */
export function chooseTarget(form: TokenForm, targets: ExchangeTargets): Result<ExchangeTarget, TokenError> {
  const resources = form.all('resource')
  if (!resources.every(isResourceIndicator)) {
    return refuseTarget('resource is not an absolute URI without fragment and dot segments')
  }
  const audiences = new Set(form.all('audience'))
  const [name, beside, ...more] = new Set([...audiences, ...resources])
  if (name === undefined) return refuseTarget('audience is missing')
  const target = targets.get(name)
  const isPair = audiences.size === 1 && more.length === 0 && beside !== undefined
  if (beside !== undefined && !(isPair && target?.resources.has(beside) === true)) {
    return refuseTarget('exactly one target can be asked for')
  }
  return target === undefined ? refuseTarget('the client may not ask for this target') : ok(target)
}

function isResourceIndicator(text: string): boolean {
  if (text.includes('#') || !/^[a-z][a-z0-9+.-]*:/i.test(text) || !URL.canParse(text)) return false
  const path = text.replace(/\?.*$/s, '').replaceAll(/%2e/gi, '.')
  return !/[/\\]\.{1,2}(?:[/\\]|$)/.test(path)
}

function refuse(description: string): Result<never, TokenError> {
  return fail(tokenError('invalid_request', description))
}

function refuseTarget(description: string): Result<never, TokenError> {
  return fail(tokenError('invalid_target', description))
}
