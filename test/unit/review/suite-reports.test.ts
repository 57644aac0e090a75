import { describe, expect, it } from 'vitest'
import { scopeSet } from '../../../src/oauth/scope-set.ts'
import { compareOutcome } from '../../../src/review/compare-outcome.ts'
import { denied, type Outcome } from '../../../src/review/outcome.ts'
import { renderSuiteJson } from '../../../src/review/suite-json.ts'
import { renderSuiteJunit } from '../../../src/review/suite-junit.ts'
import type { SuiteResult } from '../../../src/review/suite-result.ts'
import { renderSuiteText } from '../../../src/review/suite-text.ts'
import { elementsOf, parseXml } from '../../support/xml.ts'

const permitted: Outcome = {
  ...denied,
  decision: 'permit',
  rule: 'support',
  granted: {
    mode: 'delegation',
    subject: 'alice',
    audience: 'orders-api',
    scope: scopeSet(['orders:read']),
    lifeSeconds: 60,
    act: ['agent-7', 'storefront'],
  },
}
const lacking: Outcome = {
  ...denied,
  rule: 'support',
  reason: 'rule support came closest; it lacks a case id',
  refusal: 'policy.denied',
}

const result: SuiteResult = {
  file: 'policy.test.yaml',
  policy: { file: 'policy.yaml', digest: '0123456789abcdef' },
  cases: [
    { asked: { name: 'with a case id', line: 3 }, outcome: permitted, differences: [] },
    {
      asked: { name: 'without one', line: 9 },
      outcome: lacking,
      differences: compareOutcome({ decision: 'permit', lifeSeconds: 60 }, lacking),
    },
  ],
}

/** Texts that mean something to a terminal, to XML or to nobody. */
const evil = '\u001b[31m<b>&"\']]>\ud800\u0000\u202e\n\tend'

const evilResult: SuiteResult = {
  ...result,
  file: evil,
  cases: [
    {
      asked: { name: evil, line: 1 },
      outcome: { ...lacking, reason: evil },
      differences: [{ what: 'reason', expected: evil, actual: evil }],
    },
  ],
}

describe('the comparison with what was expected', () => {
  it.each([
    ['decision', { decision: 'deny' }],
    ['rule', { decision: 'permit', rule: 'other' }],
    ['scope', { decision: 'permit', scope: scopeSet(['orders:read', 'orders:write']) }],
    ['scope', { decision: 'permit', scope: scopeSet([]) }],
    ['life', { decision: 'permit', lifeSeconds: 61 }],
    ['mode', { decision: 'permit', mode: 'impersonation' }],
    ['subject', { decision: 'permit', subject: 'bob' }],
    ['act', { decision: 'permit', act: ['storefront', 'agent-7'] }],
    ['act', { decision: 'permit', act: ['agent-7'] }],
    ['act', { decision: 'permit', act: [] }],
    ['reason', { decision: 'permit', reason: 'x' }],
    ['route', { decision: 'permit', route: 'orders' }],
    ['refusal', { decision: 'permit', refusal: 'policy.denied' }],
    ['step_up', { decision: 'permit', stepUp: { acrValues: ['mfa'] } }],
    ['approvers', { decision: 'permit', approvers: ['grace'] }],
  ] as const)('finds another %s', (what, expected) => {
    expect(compareOutcome(expected, permitted).map(difference => difference.what)).toEqual([what])
  })

  it('finds nothing where everything is as expected, or nothing was', () => {
    const { granted } = permitted
    const expected = {
      decision: 'permit',
      rule: 'support',
      scope: scopeSet(['orders:read']),
      lifeSeconds: 60,
      mode: 'delegation',
      subject: 'alice',
      act: granted?.act ?? [],
    } as const
    expect(compareOutcome(expected, permitted)).toEqual([])
    expect(compareOutcome({ decision: 'permit' }, permitted)).toEqual([])
    const stepUp = { acrValues: ['mfa'], maxAgeSeconds: 900 }
    const approvable = { ...lacking, stepUp, approvers: ['b', 'a'] }
    expect(
      compareOutcome({ decision: 'deny', reason: 'a case id', stepUp, approvers: ['a', 'b'] }, approvable),
    ).toEqual([])
    expect(
      compareOutcome({ decision: 'deny', stepUp: { acrValues: ['mfa'], maxAgeSeconds: 60 } }, approvable),
    ).toHaveLength(1)
  })
})

describe('the result for a terminal', () => {
  it('marks each case, and says of a failed one what was expected and why it is not so', () => {
    expect(renderSuiteText(result)).toBe(`policy.test.yaml: policy policy.yaml 0123456789ab

  ✓ with a case id
  ✗ without one
      decision: expected permit, got deny
      life: expected 1m, got none
      because rule support came closest; it lacks a case id (policy.denied)
      at policy.test.yaml:9

1 passed, 1 failed
`)
  })

  it('lets no text command the terminal', () => {
    expect(renderSuiteText(evilResult).replaceAll('\n', '')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e]/)
  })
})

describe('the result as JUnit XML', () => {
  it('has a test case for each case, and a failure for each that failed', () => {
    const root = parseXml(renderSuiteJunit(result))
    expect(root.name).toBe('testsuites')
    expect(root.attributes).toMatchObject({ tests: '2', failures: '1', errors: '0' })
    const cases = elementsOf(root, 'testcase')
    expect(cases.map(({ attributes }) => attributes)).toEqual([
      { classname: 'policy.test.yaml', name: 'with a case id', file: 'policy.test.yaml', line: '3' },
      { classname: 'policy.test.yaml', name: 'without one', file: 'policy.test.yaml', line: '9' },
    ])
    const [failure, ...more] = elementsOf(root, 'failure')
    expect(more).toEqual([])
    expect(failure?.attributes['message']).toBe('decision: expected permit, got deny')
    expect(failure?.content).toEqual([
      'decision: expected permit, got deny\nlife: expected 1m, got none\nbecause rule support came closest; it lacks a case id (policy.denied)',
    ])
    expect(elementsOf(root, 'property').map(({ attributes }) => attributes['value'])).toEqual([
      'policy.yaml',
      '0123456789abcdef',
    ])
  })

  it('is well-formed whatever the texts hold, and keeps them as far as XML can', () => {
    const [only] = elementsOf(parseXml(renderSuiteJunit(evilResult)), 'testcase')
    expect(only?.attributes['name']).toBe('\ufffd[31m<b>&"\']]>\ufffd\ufffd\u202e\n\tend')
  })
})

describe('the result as JSON', () => {
  it('has what became of each case', () => {
    const report = JSON.parse(renderSuiteJson(result))
    expect(report).toMatchObject({ file: 'policy.test.yaml', passed: 1, failed: 1 })
    expect(report.cases).toEqual([
      {
        name: 'with a case id',
        line: 3,
        passed: true,
        decision: 'permit',
        rule: 'support',
        granted: {
          mode: 'delegation',
          subject: 'alice',
          audience: 'orders-api',
          scope: 'orders:read',
          life_seconds: 60,
          act: ['agent-7', 'storefront'],
        },
      },
      {
        name: 'without one',
        line: 9,
        passed: false,
        decision: 'deny',
        rule: 'support',
        reason: lacking.reason,
        refusal: 'policy.denied',
        differences: [
          { what: 'decision', expected: 'permit', actual: 'deny' },
          { what: 'life', expected: '1m', actual: 'none' },
        ],
      },
    ])
  })
})
