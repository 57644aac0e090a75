import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SidecarConfig } from '../../../../src/config/sidecar-config.ts'
import { createCloudEventWriter } from '../../../../src/hop/record/cloud-event.ts'
import { createTokenEventWriter } from '../../../../src/hub/token-event-line.ts'
import { decisionFacts } from '../../../../src/model/audit-event.ts'
import type { Decision } from '../../../../src/model/decision.ts'
import { subjectKind } from '../../../../src/model/subject-kind.ts'
import { actorSubjects } from '../../../../src/oauth/actor.ts'
import { grantType } from '../../../../src/oauth/grant-type.ts'
import { formatScope, scopeSet } from '../../../../src/oauth/scope-set.ts'
import { createPolicy } from '../../../../src/policy/policy.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import { caseIdOf } from '../../../../src/policy/read-case.ts'
import { createDecideAgain } from '../../../../src/review/replay/decide-again.ts'
import { createEventReader } from '../../../../src/review/replay/read-event.ts'
import { anAuditEvent, inboundFacts, outboundFacts } from '../../../support/audit-event.ts'
import { aRoute } from '../../../support/nouns.ts'
import { noon, policyServer } from '../../../support/policy.ts'
import { generousPolicy, somePolicy, someQuestion } from '../../../support/policy-questions.ts'

/** The line that a sidecar writes of this decision. */
function hopLine(
  { client, audience, scope, subject, actorToken, context }: PolicyQuestion,
  decision: Decision,
): string {
  if (subject === undefined) throw new Error('a hop has a subject')
  return createCloudEventWriter(client)(
    anAuditEvent({
      at: noon,
      route: 'the-route',
      caseId: context.caseId,
      decision: decisionFacts(decision),
      detail: decision.effect === 'deny' ? decision.reason : undefined,
      inbound: inboundFacts({
        issuer: subject.issuer,
        subject: subject.subject,
        clientId: subject.clientId,
        kind: subjectKind(subject),
        actors: actorSubjects(subject.actor),
      }),
      person: actorToken && {
        issuer: actorToken.issuer,
        subject: actorToken.subject,
        tokenId: undefined,
        fingerprint: 'fp',
      },
      outbound:
        decision.effect === 'deny'
          ? undefined
          : outboundFacts({ audience, scope: formatScope(scopeSet([...scope, 'r'])) }),
    }),
  )
}

/** The line that a hub writes of it. */
function tokenLine(
  { mode, client, audience, scope, subject, actorToken, context }: PolicyQuestion,
  decision: Decision,
): string {
  if (subject === undefined) throw new Error('an exchange has a subject')
  const isIssued = decision.effect === 'permit'
  const before = actorSubjects(subject.actor)
  const actor = actorToken?.subject ?? client
  const effective = caseIdOf(subject, context.caseId)
  const caseId = isIssued && effective.ok ? effective.value : context.caseId
  return createTokenEventWriter(policyServer)({
    id: 'id',
    at: noon,
    kind: isIssued ? 'issued' : 'refused',
    endpoint: 'token',
    grantType: grantType.tokenExchange,
    peer: 'local',
    error: isIssued ? undefined : 'access_denied',
    detail: isIssued ? undefined : decision.reason,
    tokenId: undefined,
    expiresAt: undefined,
    client,
    subject: subject.subject,
    issuer: subject.issuer,
    subjectFingerprint: 'fp',
    subjectKind: subjectKind(subject),
    subjectActors: before,
    audience,
    scope: formatScope(scope),
    actors: !isIssued
      ? before
      : mode === 'impersonation'
        ? []
        : before[0] === actor
          ? before
          : [actor, ...before],
    ...(actorToken && {
      person: { issuer: actorToken.issuer, subject: actorToken.subject, fingerprint: 'fp' },
    }),
    ...(caseId !== undefined && { caseId }),
    decision: decisionFacts(decision),
  })
}

function configOf({ client, audience, scope, mode, context }: PolicyQuestion): SidecarConfig {
  return {
    service: client,
    exchange: { server: policyServer, client: { id: client } },
    environment: context.environment,
    routes: [aRoute({ id: 'the-route', audience, scope, mode })],
  } as unknown as SidecarConfig
}

describe('replay', () => {
  it('never says what the policy does not: an answer from the record is the answer that all facts give', () => {
    const answers = { permit: 0, deny: 0, undecidable: 0 }
    fc.assert(
      fc.property(
        fc.oneof(generousPolicy, somePolicy),
        somePolicy,
        fc.array(
          fc.tuple(someQuestion, fc.constantFrom('hop', 'hop with configuration', 'token'), fc.boolean()),
          {
            minLength: 20,
            maxLength: 40,
          },
        ),
        (older, newer, asked) => {
          const [old, now] = [createPolicy(older, policyServer), createPolicy(newer, policyServer)]
          const decideAgain = createDecideAgain(newer)
          for (const [question, source, isOld] of asked) {
            const before = old.decide(question)
            const truth = now.decide(question)
            const configs = new Map(
              source === 'hop with configuration' ? [[question.client, configOf(question)]] : [],
            )
            const written = source === 'token' ? tokenLine(question, before) : hopLine(question, before)
            // Older trails do not say what a subject is.
            const line = isOld ? written.replaceAll(/"subject_kind":"\w+",/g, '') : written
            const read = createEventReader(newer, configs)(line)
            if (!read.ok || read.value === undefined) throw new Error(`not read: ${line}`)
            const again = decideAgain(read.value)
            answers[again.effect]++
            if (again.effect === 'undecidable') continue
            expect(again.effect, line).toBe(truth.effect)
            if (again.effect === 'permit') expect(again.rule.split(' or ')).toContain(truth.rule)
          }
        },
      ),
      { numRuns: 60 },
    )
    expect(answers.permit).toBeGreaterThan(0)
    expect(answers.deny).toBeGreaterThan(30)
    expect(answers.undecidable).toBeGreaterThan(30)
  }, 60_000)
})
