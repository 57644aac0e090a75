import { fail, ok, type Result } from '../../base/result.ts'
import type { StsClient, StsTicketRule } from '../../config/sidecar-config.ts'
import { type ScopeSet, scopeSet } from '../../oauth/scope-set.ts'
import type { Policy } from '../../policy/policy.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenForm } from '../token-form.ts'

/** What a ticket is for: one audience, one purpose. Both are named when it is issued and when it is redeemed. */
export interface TicketTerms {
  readonly audience: string
  readonly purpose: string
  /** The scope that the client may have there for this purpose. */
  readonly scope: ScopeSet
  readonly ttlSeconds: number | undefined
}

/** Finds the terms that a request of a client names, among those that the client may have. */
export type ChooseTerms = (form: TokenForm, client: StsClient) => Result<TicketTerms, TokenError>

/**
 * Prepares the rules of all clients for one side. What is not configured is denied; a client without any configuration of
 * tickets may ask for everything that the policy speaks of, and the policy decides.
 *
 * @throws TypeError when a configured scope is no scope token
 */
export function createTermsChooser(
  { clients, policy }: { readonly clients: readonly StsClient[]; readonly policy: Policy | undefined },
  side: 'issue' | 'redeem',
): ChooseTerms {
  const rules = new Map(
    clients.flatMap(({ id, tickets }) => (tickets ? [[id, tickets[side].flatMap(spreadPurposes)]] : [])),
  )
  return (form, client) => {
    const named = readTerms(form)
    if (!named.ok) return named
    const { audience, purpose } = named.value
    const own = rules.get(client.id)
    const spoken = own === undefined ? policy?.document.audiences.get(audience) : undefined
    const terms =
      own?.find(one => one.audience === audience && one.purpose === purpose) ??
      (spoken && { audience, purpose, scope: spoken.scope, ttlSeconds: undefined })
    return terms === undefined
      ? refuse('the client may not have tickets for this audience and purpose')
      : ok(terms)
  }
}

function spreadPurposes({ audience, purposes, scope, ttlSeconds }: StsTicketRule): TicketTerms[] {
  return purposes.map(purpose => ({ audience, purpose, scope: scopeSet(scope), ttlSeconds }))
}

/** Compared byte for byte with what is configured. */
function readTerms(form: TokenForm): Result<Pick<TicketTerms, 'audience' | 'purpose'>, TokenError> {
  const [audience, ...more] = form.all('audience')
  const purpose = form.one('purpose')
  if (form.all('resource').length > 0) return refuse('a ticket names its target by audience')
  if (audience === undefined || more.length > 0) return refuse('exactly one audience can be asked for')
  if (purpose === undefined) return fail(tokenError('invalid_request', 'purpose is missing'))
  return ok({ audience, purpose })
}

function refuse(description: string): Result<never, TokenError> {
  return fail(tokenError('invalid_target', description))
}
