import type { EpochSeconds } from '../../base/clock.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { StsClient } from '../../config/sidecar-config.ts'
import type { Refusal } from '../../model/refusal.ts'
import { subjectKind } from '../../model/subject-kind.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { actorSubjects } from '../../oauth/actor.ts'
import { type TokenTypeUri, tokenType } from '../../oauth/token-type.ts'
import { isNamedByMayAct } from '../../policy/may-act.ts'
import type { Verifier } from '../../tokens/verifier.ts'
import { type TokenError, tokenError } from '../token-error.ts'
import type { TokenForm } from '../token-form.ts'
import type { TokenFacts } from '../token-service-event.ts'

/** A subject token as it is presented (RFC 8693 §2.1); nothing about it is known yet. */
export interface PresentedSubject {
  readonly token: string
  readonly type: TokenTypeUri
}

/** Every access token that is accepted or issued is a JWT, so both names mean the same. */
export const accessTokenTypes: ReadonlySet<TokenTypeUri> = new Set([tokenType.accessToken, tokenType.jwt])

/** Reads the subject token of an exchange in which the client itself acts. What is not supported is never passed over. */
export function readPresentedSubject(
  form: TokenForm,
  types: ReadonlySet<TokenTypeUri>,
): Result<PresentedSubject, TokenError> {
  const token = form.one('subject_token')
  const type = form.one('subject_token_type')
  if (token === undefined) return refuse('subject_token is missing')
  if (type === undefined) return refuse('subject_token_type is missing')
  if (!types.has(type)) return refuse('subject_token_type is not supported')
  if (form.one('actor_token') !== undefined || form.one('actor_token_type') !== undefined) {
    return refuse('actor_token is not supported here: the authenticated client is the actor')
  }
  return ok({ token, type })
}

/** Verifies an access token that this client presents to act for its subject. */
export async function verifyPresentedSubject(
  verifier: Verifier,
  presented: string,
  {
    client,
    issuer,
    now,
  }: { readonly client: StsClient; readonly issuer: string; readonly now: EpochSeconds },
): Promise<Result<VerifiedToken, TokenError>> {
  const token = await verifier.verify(presented, now)
  if (!token.ok) return fail(unacceptableSubject(token.error))
  const { audience, claims } = token.value
  if (![client.id, ...client.accepts].some(name => audience.includes(name))) {
    return refuse('client is not within the token audience')
  }
  if (!isNamedByMayAct(claims['may_act'], { id: client.id, issuer })) {
    return refuse('may_act of the subject token names another actor')
  }
  return ok(token.value)
}

/** The client may try again when only the issuer's keys could not be fetched, or it could not be asked. */
export function unacceptableSubject(refusal: Refusal): TokenError {
  const detail = `subject token: ${refusal.detail}`
  return isUnavailable(refusal)
    ? tokenError('temporarily_unavailable', 'try again', detail)
    : tokenError('invalid_request', 'the subject token is not acceptable', detail)
}

/** Whether a token may be good, and nobody can say so now. */
export function isUnavailable({ code }: Refusal): boolean {
  return code === 'token.keys_unavailable' || code === 'token.introspection_unavailable'
}

/** What is recorded of a verified subject token. */
export function describeSubject(token: VerifiedToken): Partial<TokenFacts> {
  return {
    subject: token.subject,
    issuer: token.issuer,
    subjectFingerprint: token.fingerprint,
    subjectKind: subjectKind(token),
    subjectActors: actorSubjects(token.actor),
    actors: actorSubjects(token.actor),
  }
}

function refuse(description: string): Result<never, TokenError> {
  return fail(tokenError('invalid_request', description))
}
