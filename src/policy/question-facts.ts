import type { QuestionFacts } from '../model/audit-event.ts'
import { formatScope } from '../oauth/scope-set.ts'
import type { PolicyQuestion } from './question.ts'
import type { Case } from './rule.ts'

/** What the record keeps of a question, so that another policy can be asked the same: everything that rules look at but claims. */
export function questionFacts({ mode }: Pick<PolicyQuestion, 'mode'>, asked: Case): QuestionFacts {
  const { audience, scope, subject, actor, caseId, ticket, login, context } = asked
  return Object.freeze({
    mode,
    aud: audience,
    scope: formatScope(scope),
    ...(subject !== undefined && {
      subject: {
        iss: subject.issuer,
        sub: subject.subject,
        kind: subject.kind,
        ...(subject.tenant !== undefined && { tenant: subject.tenant }),
      },
    }),
    ...(actor !== undefined && {
      actor: {
        iss: actor.issuer,
        sub: actor.subject,
        kind: actor.kind,
        ...(actor.tenant !== undefined && { tenant: actor.tenant }),
        ...(actor.roles.length > 0 && { roles: actor.roles }),
      },
    }),
    ...(caseId !== undefined && { case_id: caseId }),
    ...(ticket !== undefined && { ticket: { step: ticket.step, purpose: ticket.purpose } }),
    ...(login?.authenticationContext !== undefined && { acr: login.authenticationContext }),
    ...(login?.authenticatedAt !== undefined && { auth_time: login.authenticatedAt }),
    ...(context.environment !== undefined && { environment: context.environment }),
  })
}
