import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { intersectScope } from '../../oauth/scope-set.ts'
import { tokenType } from '../../oauth/token-type.ts'
import { transactionTokenType, type VerifyTransactionToken } from '../../tokens/transaction-token.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import type { Grant } from '../grant.ts'
import type { RevocationStore } from '../revocation-store.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenForm } from '../token-form.ts'
import type { TokenFormat } from '../token-format.ts'
import { noFacts, type TokenFacts } from '../token-service-event.ts'
import type { Denial } from './authority.ts'
import { chooseTarget, type ExchangeTarget, exchangeTargets } from './exchange-parameters.ts'
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
  type PresentedSubject,
  readPresentedSubject,
  unacceptableSubject,
  verifyPresentedSubject,
} from './presented-subject.ts'
import { readContext } from './request-context.ts'
import { readRequestedScope } from './requested-scope.ts'
import { checkStanding } from './standing.ts'

export interface TransactionTokenOptions extends IssuanceRules {
  /** The audience of all Transaction Tokens. */
  readonly trustDomain: string
  /** Verifies access tokens as subject tokens. */
  readonly verifier: Verifier
  /** Verifies the Transaction Tokens of this service. */
  readonly verifyTransaction: VerifyTransactionToken
  readonly revocations: RevocationStore
  readonly clients: readonly StsClient[]
}

const subjectTypes = new Set([...accessTokenTypes, tokenType.transaction])

/** No access token: there is no `client_id`, and `typ` is another. */
const format: TokenFormat = {
  tokenType: 'N_A',
  write: ({ client_id: _, ...claims }, signer) => signer.sign(claims, transactionTokenType),
}

/**
 * Transaction Tokens (draft-ietf-oauth-transaction-tokens §5): the verified context of a call chain, for the whole trust
 * domain. For an access token the client gets one with as much scope at most; for a Transaction Token it gets a
 * replacement that may hold less scope and say more, and never another transaction, subject or audience, nor more life.
 * `req_wl` names who asked last, and `act` (RFC 8693 §4.1) keeps who asked before, as deep as any chain of actors may be.
 */
export function createTransactionTokenGrant(options: TransactionTokenOptions): Grant {
  const targetsOf = new Map(
    options.clients.map(client => [client.id, exchangeTargets(client, options.policy?.document)]),
  )
  return {
    grantType: grantType.tokenExchange,
    isImplied: true,
    isFor: form => form.one('requested_token_type') === tokenType.transaction,
    async authorize({ form, now }, client) {
      const target = chooseTarget(form, targetsOf.get(client.id) ?? new Map())
      const facts: TokenFacts = {
        ...noFacts,
        client: client.id,
        audience: target.ok ? target.value.audience : undefined,
      }
      const presented = readPresentedSubject(form, subjectTypes)
      if (!presented.ok) return fail({ error: presented.error, facts })
      if (!target.ok) return fail({ error: target.error, facts })
      if (target.value.audience !== options.trustDomain) {
        const error = tokenError('invalid_target', 'the audience of a Transaction Token is the trust domain')
        return fail({ error, facts })
      }
      const token = await verifySubject(options, presented.value, client, now)
      if (!token.ok) return fail({ error: token.error, facts })
      const known: TokenFacts = { ...facts, ...describeSubject(token.value) }
      const permitted = await permit(options, client, target.value, { form, token: token.value, now })
      if (!permitted.ok) return refuseWith(known, permitted.error)
      const { decision: _, ...granted } = permitted.value
      return ok({
        ...granted,
        derivedFrom: [token.value],
        format,
        issuedTokenType: tokenType.transaction,
        facts: describeDelegation(known, permitted.value),
      })
    },
  }
}

async function verifySubject(
  { issuer, verifier, verifyTransaction, revocations }: TransactionTokenOptions,
  { token, type }: PresentedSubject,
  client: StsClient,
  now: EpochSeconds,
): Promise<Result<VerifiedToken, TokenError>> {
  if (type !== tokenType.transaction) return verifyPresentedSubject(verifier, token, { client, issuer, now })
  const replaced = await verifyTransaction(token, now)
  if (!replaced.ok) return fail(unacceptableSubject(replaced.error))
  const standing = await checkStanding(replaced.value, revocations)
  return standing.ok ? replaced : standing
}

async function permit(
  options: TransactionTokenOptions,
  client: StsClient,
  { audience, scope: allowed, ttlSeconds }: ExchangeTarget,
  request: { readonly form: TokenForm; readonly token: VerifiedToken; readonly now: EpochSeconds },
): Promise<Result<PermittedDelegation, Denial>> {
  const { form, token, now } = request
  const scope = readRequestedScope(form, intersectScope(token.scope, allowed))
  if (!scope.ok) return refuseDelegation(scope.error)
  if (scope.value.length === 0) return refuseDelegation(tokenError('invalid_scope', 'scope is missing'))
  const isReplaced = token.tokenType === tokenType.transaction
  const requestContext = readContext(form, 'request_context', isReplaced ? token.claims['rctx'] : undefined)
  if (!requestContext.ok) return refuseDelegation(requestContext.error)
  const details = readContext(form, 'request_details', isReplaced ? token.claims['tctx'] : undefined)
  if (!details.ok) return refuseDelegation(details.error)
  const delegation = { client: client.id, audience, scope: scope.value, subject: token, ttlSeconds, now }
  const permitted = await permitDelegation(options, delegation)
  if (!permitted.ok) return permitted
  return ok({
    ...permitted.value,
    claims: {
      ...permitted.value.claims,
      req_wl: client.id,
      ...(requestContext.value !== undefined && { rctx: requestContext.value }),
      ...(details.value !== undefined && { tctx: details.value }),
    },
  })
}
