import type { VerifiedToken } from '../model/verified-token.ts'
import type { PolicyClient } from './document.ts'
import type { ActingParty } from './party.ts'
import type { PolicyContext } from './question.ts'

/** What the `when` of a rule can see. Claims appear under their own names: `subject.tenant == actor.tenant`. */
export interface OccasionFacts extends Record<string, unknown> {
  /** The subject token's claims, with `id` for `sub` and `issuer` for `iss`; empty for a machine that asks for itself. */
  readonly subject: Readonly<Record<string, unknown>>
  /** The current actor's claims, with `id`, `issuer` and `kind` (`person`, `client`, `other`); empty when nobody acts. */
  readonly actor: Readonly<Record<string, unknown>>
  /** The client's attributes, with `id` and `kind`. */
  readonly client: Readonly<Record<string, unknown>>
  /** `{ scope: [...], audience: [...], client, expires_at }` of the subject token. */
  readonly token: Readonly<Record<string, unknown>>
  /** `{ case_id, environment, audience, now }`; what is not known is absent. */
  readonly context: Readonly<Record<string, unknown>>
}

type TokenFacts = Pick<OccasionFacts, 'subject' | 'token'>

const remembered = new WeakMap<VerifiedToken, TokenFacts>()
const noToken: TokenFacts = Object.freeze({ subject: Object.freeze({}), token: Object.freeze({}) })
const nobody = Object.freeze({})

/** Puts the facts together; what the token alone says, once for each token. */
export function occasionFacts(
  subject: VerifiedToken | undefined,
  actor: ActingParty | undefined,
  client: PolicyClient,
  audience: string,
  context: Pick<PolicyContext, 'now' | 'environment'> & { readonly caseId: string | undefined },
): OccasionFacts {
  const { caseId, environment, now } = context
  return {
    ...(subject === undefined ? noToken : tokenFacts(subject)),
    actor:
      actor === undefined
        ? nobody
        : { ...actor.claims, id: actor.subject, issuer: actor.issuer, kind: actor.kind },
    client: { ...client.attributes, id: client.id, kind: client.kind },
    context: {
      ...(caseId !== undefined && { case_id: caseId }),
      ...(environment !== undefined && { environment }),
      audience,
      now,
    },
  }
}

function tokenFacts(token: VerifiedToken): TokenFacts {
  const known = remembered.get(token)
  if (known !== undefined) return known
  const facts = {
    subject: { ...token.claims, id: token.subject, issuer: token.issuer },
    token: {
      scope: [...token.scope],
      audience: [...token.audience],
      expires_at: token.expiresAt,
      ...(token.clientId !== undefined && { client: token.clientId }),
    },
  }
  remembered.set(token, facts)
  return facts
}
