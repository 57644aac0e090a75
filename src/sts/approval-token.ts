import { randomUUID } from 'node:crypto'
import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { isJsonObject } from '../base/strict-json.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import { formatScope, parseScope } from '../oauth/scope-set.ts'
import type { ApprovedOccasion } from '../policy/approval.ts'
import type { Approval, Approver } from '../policy/document.ts'
import type { ClientKey } from '../tokens/client-key-file.ts'
import { readClientKeySet } from '../tokens/client-key-set.ts'
import { readCompactJws } from '../tokens/compact-jws.ts'
import { findKey } from '../tokens/key-index.ts'
import { signCompactJws } from '../tokens/sign-compact-jws.ts'
import { verifySignature } from '../tokens/verify-signature.ts'

/** `typ` of an approval: nothing else that is signed can pass for one, and it for nothing else (RFC 8725 §3.11). */
const approvalType = 'approval+jwt'
const maxBytes = 4_096
/** An approval is for work at hand. */
export const maxApprovalSeconds = 24 * 3_600
const leewaySeconds = 5
/** A machine acts for itself: there is nobody for whom to approve it. */
const approvableModes = ['delegation', 'impersonation'] as const satisfies readonly ExchangeMode[]

/** Writes and signs what a person approves. Claims: `iss` is the person, `aud` the audience, `actor`, `subject`, `case_id`, `mode`, `scope`. */
export function signApproval(
  key: ClientKey,
  approver: string,
  occasion: ApprovedOccasion,
  now: EpochSeconds,
  lifeSeconds: number,
): string {
  const issuedAt = Math.floor(now)
  const header = {
    alg: key.algorithm,
    typ: approvalType,
    ...(key.keyId !== undefined && { kid: key.keyId }),
  }
  return signCompactJws(
    header,
    {
      iss: approver,
      aud: occasion.audience,
      actor: { iss: occasion.actorIssuer, sub: occasion.actor },
      subject: { iss: occasion.subjectIssuer, sub: occasion.subject },
      case_id: occasion.caseId,
      mode: occasion.mode,
      scope: formatScope(occasion.scope),
      iat: issuedAt,
      exp: issuedAt + lifeSeconds,
      jti: randomUUID(),
    },
    key,
  )
}

/**
 * Reads an approval: signed by the approver that it names, typed, within its life. What it is for is compared by the policy.
 *
 * @returns the error holds nothing of the text
 */
export function readApproval(
  text: string,
  approvers: ReadonlyMap<string, Approver>,
  now: EpochSeconds,
): Result<Approval, string> {
  const jws = readCompactJws(text, maxBytes)
  if (!jws.ok) return jws
  const { header, claims } = jws.value
  if (header.type !== approvalType) return fail('typ is not that of an approval')
  const { iss, aud, actor, subject, case_id: caseId, iat, exp, jti } = claims
  const approver = typeof iss === 'string' ? approvers.get(iss) : undefined
  if (approver === undefined) return fail('iss is no approver')
  const keys = readClientKeySet(approver.jwks)
  if (!keys.ok) return fail(keys.error)
  const key = findKey(keys.value, header.algorithm, header.keyId)
  if (!key.ok || !verifySignature(jws.value, key.value))
    return fail("it is not signed with the approver's key")
  if (!isTime(iat) || !isTime(exp) || iat > now + leewaySeconds || exp - iat > maxApprovalSeconds) {
    return fail('iat and exp are not the life of an approval')
  }
  if (exp <= now) return fail('expired')
  const who = readParty(actor)
  const whom = readParty(subject)
  if (who === undefined || whom === undefined || !isText(aud) || !isText(caseId) || !isText(jti)) {
    return fail('it does not say what is approved')
  }
  const mode = approvableModes.find(one => one === claims['mode'])
  const scope = typeof claims['scope'] === 'string' ? parseScope(claims['scope']) : undefined
  if (mode === undefined || scope === undefined) return fail('it does not say how, or how much, is approved')
  return ok({
    id: jti,
    approver: approver.name,
    approverSubject: approver.subject,
    actor: who.sub,
    actorIssuer: who.iss,
    subject: whom.sub,
    subjectIssuer: whom.iss,
    caseId,
    audience: aud,
    mode,
    scope,
    expiresAt: exp,
  })
}

function readParty(value: unknown): { readonly iss: string; readonly sub: string } | undefined {
  if (!isJsonObject(value)) return undefined
  const { iss, sub } = value
  return isText(iss) && isText(sub) ? { iss, sub } : undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isTime(value: unknown): value is EpochSeconds {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
}
