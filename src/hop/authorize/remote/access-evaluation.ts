import type { AdmittedRequest } from '../../../model/admitted-request.ts'
import type { ProtectedRoute } from '../../../model/route.ts'
import { subjectKind } from '../../../model/subject-kind.ts'
import type { VerifiedToken } from '../../../model/verified-token.ts'
import { actorSubjects } from '../../../oauth/actor.ts'

/** What a hop knows besides the request and its tokens. */
export interface EvaluationSetting {
  /** This workload. */
  readonly service: string
  readonly environment: string | undefined
  /** Claims of the subject token that are sent. */
  readonly claims: readonly string[]
}

/** An Access Evaluation request (OpenID AuthZEN Authorization API 1.0 §6.1). */
export interface AccessEvaluation {
  readonly subject: Entity
  readonly action: { readonly name: string }
  readonly resource: Entity
  readonly context: Readonly<Record<string, unknown>>
}

interface Entity {
  readonly type: string
  readonly id: string
  readonly properties: Readonly<Record<string, unknown>>
}

/**
 * Asks whether the subject may call this route as it does. No token and no header field is in it, and of the claims only
 * those that are configured; nothing that differs from one request to the next without a meaning, so that the same
 * question is the same text. The path is decoded, as it is in expressions, and without its query.
 */
export function accessEvaluation(
  { service, environment, claims }: EvaluationSetting,
  request: AdmittedRequest<ProtectedRoute>,
  token: VerifiedToken,
  actorToken: VerifiedToken | undefined,
): AccessEvaluation {
  const { route, method, host, path, caseId } = request
  return {
    subject: {
      type: subjectKind(token),
      id: token.subject,
      properties: {
        issuer: token.issuer,
        client_id: token.clientId,
        scope: token.scope,
        actors: actorSubjects(token.actor),
        acr: token.authenticationContext,
        ...(claims.length > 0 && { claims: pick(token.claims, claims) }),
      },
    },
    action: { name: method },
    resource: {
      type: 'route',
      id: route.id,
      properties: { host, path: decodeURIComponent(path), audience: route.audience },
    },
    context: {
      service,
      environment,
      case_id: caseId,
      ...(actorToken && { actor: { id: actorToken.subject, issuer: actorToken.issuer } }),
    },
  }
}

function pick(
  claims: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Readonly<Record<string, unknown>> {
  const picked: Record<string, unknown> = {}
  for (const name of names) if (Object.hasOwn(claims, name)) picked[name] = claims[name]
  return picked
}
