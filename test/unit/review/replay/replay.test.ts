import { describe, expect, it } from 'vitest'
import { createCloudEventWriter } from '../../../../src/hop/record/cloud-event.ts'
import type { AuditEvent } from '../../../../src/model/audit-event.ts'
import { createReplay } from '../../../../src/review/replay/replay.ts'
import { replayText } from '../../../../src/review/replay/replay-text.ts'
import { anAuditEvent, aRefusedEvent, inboundFacts, outboundFacts } from '../../../support/audit-event.ts'
import { parseTestPolicy } from '../../../support/policy.ts'

const write = createCloudEventWriter('orders')

/** A hop of alice to orders, permitted by the rule `own` of a policy. */
function line(about: Partial<AuditEvent> = {}): string {
  return write(
    anAuditEvent({
      decision: { rule: 'own', effect: 'permit', mode: 'delegation' },
      inbound: inboundFacts({ actors: [] }),
      outbound: outboundFacts({ scope: 'orders:read' }),
      ...about,
    }),
  )
}

function replayOf(rule: string, lines: readonly string[]) {
  const policy = parseTestPolicy(`
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read, orders:write], served_by: [orders] } }
rules: [{ id: own, who: { kind: [service] }, ${rule} }]
`)
  const replay = createReplay(policy)
  for (const [index, text] of lines.entries()) replay.take('audit.jsonl', index + 1, text)
  return replay.report()
}

describe('a replay', () => {
  it('finds that nothing changes under the same policy', () => {
    const report = replayOf('for: { kind: [user] }, into: own', [line(), line()])
    expect(report).toMatchObject({ decisions: 2, counts: { 'as-before': 2, otherwise: 0 }, groups: [] })
  })

  it('groups what would be decided otherwise, with counts and times', () => {
    const at = Date.UTC(2026, 10, 25, 12) / 1000
    const report = replayOf('for: { kind: [machine] }, into: own', [
      line({ at: at + 60 }),
      line({ at }),
      line({ at: at + 30, inbound: inboundFacts({ subject: 'bob', actors: [] }) }),
    ])
    expect(report.groups).toEqual([
      {
        comparison: 'otherwise',
        client: 'orders',
        audience: 'orders-api',
        before: 'permit by own',
        after: 'deny by own',
        reason: 'it lacks the kind of subject',
        count: 3,
        first: '2026-11-25T12:00:00.000Z',
        last: '2026-11-25T12:01:00.000Z',
      },
    ])
    expect(replayText(report)).toContain(
      '       3  orders → orders-api: permit by own → deny by own: it lacks the kind of subject\n          2026-11-25T12:00:00.000Z to 2026-11-25T12:01:00.000Z',
    )
  })

  it.each([
    ['for: { tenant: [blue] }, into: own', "the subject's tenant"],
    ['for: {}, into: own, when: subject.vip == true', 'what a condition (when) sees'],
    ['for: {}, into: own, require: { acr: [mfa] }', 'how the person logged in (acr, max_age)'],
    ['for: {}, into: own, require: { environment: [production] }', 'the environment'],
    ['for: {}, into: own, require: { case_id: true }', 'the case id'],
  ])('never guesses what the record does not hold: %s', (rule, missing) => {
    const { counts, groups } = replayOf(rule, [line()])
    expect(counts).toMatchObject({ undecidable: 1, otherwise: 0, 'as-before': 0 })
    expect(groups[0]?.reason).toBe(`it depends on ${missing}`)
  })

  it('decides in spite of it where it does not matter', () => {
    const rule = 'for: { tenant: [blue] }, into: own, scopes: [orders:write]'
    const widest = line({ outbound: outboundFacts({ scope: 'orders:read' }), caseId: 'CASE-1' })
    expect(replayOf(rule, [widest]).counts).toMatchObject({ undecidable: 1 })
    const other = replayOf('for: { tenant: [blue], issuer: [https://other.test] }, into: own', [widest])
    expect(other.counts.undecidable).toBe(1)
    const noClient = replayOf(rule, [createCloudEventWriter('billing')(anAuditEvent())])
    expect(noClient.counts).toMatchObject({ otherwise: 1 })
  })

  it('leaves what the route itself denied to the route, and what nobody decided alone', () => {
    const denied = line({
      route: 'refund',
      decision: { rule: 'refund#clients', effect: 'deny' },
      outbound: undefined,
    })
    expect(replayOf('for: {}, into: own', [denied, write(aRefusedEvent())])).toMatchObject({
      decisions: 1,
      others: 1,
      counts: { 'by-the-route': 1 },
      groups: [],
    })
  })

  it('reports lines that are no events by their number, and goes on; their text is not told', () => {
    const secret = 'eyJhbGciOiJFUzI1NiJ9.secret'
    const report = replayOf('for: {}, into: own', [
      secret,
      '{}',
      '{"specversion":"1.0","type":"x","data":{}}',
      line(),
    ])
    expect(report).toMatchObject({
      decisions: 1,
      badLines: 3,
      firstBadLines: [
        { file: 'audit.jsonl', line: 1, reason: 'no JSON object' },
        { line: 2, reason: 'no CloudEvents 1.0 event with data' },
        { line: 3, reason: 'no event of Hopgate' },
      ],
    })
    expect(replayText(report)).not.toContain('secret')
  })

  it('keeps what a file holds from commanding a terminal', () => {
    const report = replayOf('for: {}, into: own', [
      createCloudEventWriter('orders\u001b[2J')(
        anAuditEvent({ decision: { rule: '\u001b[31m', effect: 'permit', mode: 'delegation' } }),
      ),
    ])
    expect(report.counts.otherwise).toBe(1)
    expect(replayText(report)).not.toContain('\u001b')
  })
})
