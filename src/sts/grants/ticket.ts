import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { intersectScope } from '../../oauth/scope-set.ts'
import { tokenType } from '../../oauth/token-type.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import type { Grant } from '../grant.ts'
import type { TicketSeal } from '../ticket-seal.ts'
import type { TokenForm } from '../token-form.ts'
import { noFacts, type TokenFacts } from '../token-service-event.ts'
import type { Denial } from './authority.ts'
import {
  describeDelegation,
  type PermittedDelegation,
  permitDelegation,
  refuseDelegation,
  refuseWith,
} from './permit-delegation.ts'
import type { IssuanceRules } from './permit-issuance.ts'
import {
  accessTokenTypes,
  describeSubject,
  readPresentedSubject,
  verifyPresentedSubject,
} from './presented-subject.ts'
import { readRequestedScope } from './requested-scope.ts'
import { createTermsChooser, type TicketTerms } from './ticket-terms.ts'

export interface TicketOptions extends IssuanceRules {
  readonly verifier: Verifier
  readonly seal: TicketSeal
  readonly clients: readonly StsClient[]
}

/**
 * Tickets: what a service puts into a queue instead of the token that it holds. A ticket is sealed, names one audience and
 * one purpose, holds no more scope than the subject token, and is good for one exchange, by a worker that may redeem it
 * for that audience and purpose. It may outlive the subject token, as work in a queue does; that is what it is for, and
 * its life is bounded by the configuration, the client's rule and the policy instead.
 */
export function createTicketGrant(options: TicketOptions): Grant {
  const chooseTerms = createTermsChooser(options, 'issue')
  return {
    grantType: grantType.tokenExchange,
    isImplied: true,
    isFor: form => form.one('requested_token_type') === tokenType.ticket,
    async authorize({ form, now }, client) {
      const terms = chooseTerms(form, client)
      const facts: TokenFacts = {
        ...noFacts,
        client: client.id,
        ...(terms.ok && { audience: terms.value.audience, purpose: terms.value.purpose }),
      }
      const presented = readPresentedSubject(form, accessTokenTypes)
      if (!presented.ok) return fail({ error: presented.error, facts })
      if (!terms.ok) return fail({ error: terms.error, facts })
      const { issuer, verifier } = options
      const token = await verifyPresentedSubject(verifier, presented.value.token, { client, issuer, now })
      if (!token.ok) return fail({ error: token.error, facts })
      const known: TokenFacts = { ...facts, ...describeSubject(token.value) }
      const permitted = await permit(options, client, terms.value, { form, token: token.value, now })
      if (!permitted.ok) return refuseWith(known, permitted.error)
      const { decision: _, ...granted } = permitted.value
      return ok({
        ...granted,
        derivedFrom: [token.value],
        mayOutlive: true,
        format: { tokenType: 'N_A', write: claims => options.seal.seal(claims) },
        issuedTokenType: tokenType.ticket,
        facts: describeDelegation(known, permitted.value),
      })
    },
  }
}

async function permit(
  options: TicketOptions,
  client: StsClient,
  { audience, purpose, scope: allowed, ttlSeconds }: TicketTerms,
  request: { readonly form: TokenForm; readonly token: VerifiedToken; readonly now: EpochSeconds },
): Promise<Result<PermittedDelegation, Denial>> {
  const { form, token, now } = request
  const scope = readRequestedScope(form, intersectScope(token.scope, allowed))
  if (!scope.ok) return refuseDelegation(scope.error)
  const ticket = { step: 'issue', purpose } as const
  const delegation = { client: client.id, audience, scope: scope.value, subject: token, ttlSeconds, now }
  const permitted = await permitDelegation(options, { ...delegation, ticket })
  if (!permitted.ok) return permitted
  return ok({
    ...permitted.value,
    claims: { ...permitted.value.claims, purpose },
  })
}
