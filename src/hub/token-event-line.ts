import { asciiJson } from '../base/json-text.ts'
import { redactTokens } from '../base/redact-tokens.ts'
import { nestSubjects } from '../oauth/actor.ts'
import type { TokenServiceEvent } from '../sts/token-service-event.ts'

/**
 * Prepares the function that writes an event of the token service as one line: a CloudEvents 1.0 event in the JSON
 * format's structured mode, without line end, in printable ASCII.
 *
 * `type` is `io.hopgate.token.<kind>.v1`, `source` is the service's issuer identifier, `subject` the client. In
 * `data`, claims have their RFC names; `subject_token` describes what was presented. What is not known is left out.
 */
export function createTokenEventWriter(issuer: string): (event: TokenServiceEvent) => string {
  return event => {
    const line = asciiJson({
      specversion: '1.0',
      id: event.id,
      source: issuer,
      type: `io.hopgate.token.${event.kind}.v1`,
      time: new Date(event.at * 1000).toISOString(),
      subject: event.client,
      datacontenttype: 'application/json',
      data: describe(event),
    })
    return redactTokens(line)
  }
}

function describe(event: TokenServiceEvent): Readonly<Record<string, unknown>> {
  return {
    endpoint: event.endpoint,
    grant_type: event.grantType,
    peer: event.peer,
    client_id: event.client,
    aud: event.audience,
    purpose: event.purpose,
    scope: event.scope,
    act: nestSubjects(event.actors),
    jti: event.tokenId,
    exp: event.expiresAt,
    case_id: event.caseId,
    decision: event.decision && describeDecision(event.decision),
    error: event.error,
    detail: event.detail,
    ...(event.person !== undefined && {
      person: { iss: event.person.issuer, sub: event.person.subject, fingerprint: event.person.fingerprint },
    }),
    ...(event.subjectFingerprint !== undefined && {
      subject_token: {
        iss: event.issuer,
        sub: event.subject,
        subject_kind: event.subjectKind,
        act: nestSubjects(event.subjectActors ?? []),
        fingerprint: event.subjectFingerprint,
      },
    }),
  }
}

function describeDecision({
  rule,
  effect,
  mode,
  approval,
  question,
}: NonNullable<TokenServiceEvent['decision']>): Readonly<Record<string, unknown>> {
  return { rule, effect, mode, approval: approval?.id, approver: approval?.approver, question }
}
