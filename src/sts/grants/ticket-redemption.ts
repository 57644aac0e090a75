import type { EpochSeconds } from '../../base/clock.ts'
import { sha256Base64Url } from '../../base/digest.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { Secret } from '../../base/secret.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { intersectScope } from '../../oauth/scope-set.ts'
import { tokenType } from '../../oauth/token-type.ts'
import { readAccessClaims } from '../../tokens/access-claims.ts'
import type { Grant } from '../grant.ts'
import type { ReplayStore } from '../replay-store.ts'
import type { RevocationStore } from '../revocation-store.ts'
import type { TicketSeal } from '../ticket-seal.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenForm } from '../token-form.ts'
import { accessTokenFormat } from '../token-format.ts'
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
import { accessTokenTypes, describeSubject, readPresentedSubject } from './presented-subject.ts'
import { readRequestedScope } from './requested-scope.ts'
import { checkStanding } from './standing.ts'
import { createTermsChooser, type TicketTerms } from './ticket-terms.ts'
import { useOnce } from './use-once.ts'

export interface TicketRedemptionOptions extends IssuanceRules {
  readonly seal: TicketSeal
  readonly replay: ReplayStore
  readonly revocations: RevocationStore
  readonly clients: readonly StsClient[]
}

const ticketTypes = new Set([tokenType.ticket])

/**
 * Redeems tickets: a worker, by its own authentication and when it may do so for the ticket's audience and purpose, gets one
 * access token in which it is the actor for the ticket's subject, with the service that issued the ticket behind it. A
 * ticket is used up only by the request that gets the token.
 */
export function createTicketRedemptionGrant(options: TicketRedemptionOptions): Grant {
  const chooseTerms = createTermsChooser(options, 'redeem')
  return {
    grantType: grantType.tokenExchange,
    isImplied: true,
    isFor: form => form.one('subject_token_type') === tokenType.ticket,
    async authorize({ form, now }, client) {
      const terms = chooseTerms(form, client)
      const facts: TokenFacts = {
        ...noFacts,
        client: client.id,
        ...(terms.ok && { audience: terms.value.audience, purpose: terms.value.purpose }),
      }
      const presented = readPresentedSubject(form, ticketTypes)
      if (!presented.ok) return fail({ error: presented.error, facts })
      const requested = form.one('requested_token_type') ?? tokenType.accessToken
      if (!accessTokenTypes.has(requested)) {
        const error = tokenError('invalid_request', 'requested_token_type is not supported')
        return fail({ error, facts })
      }
      if (!terms.ok) return fail({ error: terms.error, facts })
      const ticket = openTicket(options, presented.value.token, terms.value, now)
      if (!ticket.ok) return fail({ error: ticket.error, facts })
      const known: TokenFacts = { ...facts, ...describeSubject(ticket.value) }
      const permitted = await permit(options, client, terms.value, { form, ticket: ticket.value, now })
      if (!permitted.ok) return refuseWith(known, permitted.error)
      const standing = await checkStanding(ticket.value, options.revocations)
      if (!standing.ok) return fail({ error: standing.error, facts: known })
      // Last, so that an attempt that is refused for another reason uses nothing up.
      const { issuer, replay } = options
      const used = unacceptable('used before')
      const once = await useOnce(
        replay,
        ['ticket', issuer, ticket.value.tokenId],
        ticket.value.expiresAt,
        used,
      )
      if (!once.ok) return fail({ error: once.error, facts: known })
      const { decision: _, ...granted } = permitted.value
      return ok({
        ...granted,
        derivedFrom: [ticket.value],
        format: accessTokenFormat,
        issuedTokenType: requested,
        facts: describeDelegation(known, permitted.value),
      })
    },
  }
}

interface Ticket extends VerifiedToken {
  readonly tokenId: string
}

/** Opens a ticket for what it was made for; as a token of this service, which it is. */
function openTicket(
  { issuer, seal, budget }: TicketRedemptionOptions,
  presented: string,
  terms: TicketTerms,
  now: EpochSeconds,
): Result<Ticket, TokenError> {
  const claims = seal.open(presented)
  if (claims === undefined) return fail(unacceptable('it does not open'))
  const access = readAccessClaims(claims, budget.maxActorDepth)
  const { exp, purpose } = claims
  if (!access.ok || access.value.tokenId === undefined || typeof exp !== 'number') {
    return fail(unacceptable('it is not whole'))
  }
  if (now >= exp) return fail(unacceptable('expired'))
  if (!access.value.audience.includes(terms.audience)) return fail(unacceptable('it is for another audience'))
  if (purpose !== terms.purpose) return fail(unacceptable('it is for another purpose'))
  return ok({
    ...access.value,
    tokenId: access.value.tokenId,
    presented: new Secret(presented),
    tokenType: tokenType.ticket,
    issuer,
    expiresAt: exp,
    fingerprint: sha256Base64Url(presented),
    claims,
  })
}

/** The worker learns no more than that it cannot have it; the record says why. */
function unacceptable(reason: string): TokenError {
  return tokenError('invalid_request', 'the ticket is not acceptable', `ticket: ${reason}`)
}

async function permit(
  options: TicketRedemptionOptions,
  client: StsClient,
  { audience, purpose, scope: allowed, ttlSeconds }: TicketTerms,
  request: { readonly form: TokenForm; readonly ticket: Ticket; readonly now: EpochSeconds },
): Promise<Result<PermittedDelegation, Denial>> {
  const { form, ticket: subject, now } = request
  const scope = readRequestedScope(form, intersectScope(subject.scope, allowed))
  if (!scope.ok) return refuseDelegation(scope.error)
  const ticket = { step: 'redeem', purpose } as const
  const delegation = { client: client.id, audience, scope: scope.value, subject, ttlSeconds, now }
  return permitDelegation(options, { ...delegation, ticket })
}
