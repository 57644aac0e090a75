import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import type { StsClient } from '../../../../src/config/sidecar-config.ts'
import { grantType } from '../../../../src/oauth/grant-type.ts'
import { tokenType } from '../../../../src/oauth/token-type.ts'
import {
  basic,
  createTestTokenService,
  type FormParameters,
  secretAuthentication,
  type TestTokenService,
  type TokenAnswer,
  tokenServiceIssuer,
} from '../../../support/token-service.ts'

// Narrowing is a law for every grant: what is granted is within what is presented, configured and asked for, and lives no
// longer than all of them, whatever they are, over two steps where there are two.

const vocabulary = ['a', 'b', 'c', 'd'] as const
const scopes = fc.uniqueArray(fc.constantFrom(...vocabulary))
const asOrders = basic('orders', 's')
const asWorker = basic('worker', 's')

interface Case {
  readonly held: readonly string[]
  readonly first: readonly string[]
  readonly second: readonly string[]
  readonly asked: readonly string[]
  readonly askedAgain: readonly string[]
  readonly subjectLifeSeconds: number
  readonly ttlSeconds: number
  readonly passedSeconds: number
}

const cases: fc.Arbitrary<Case> = fc.record({
  held: scopes,
  first: scopes,
  second: scopes,
  asked: scopes,
  askedAgain: scopes,
  subjectLifeSeconds: fc.integer({ min: 2, max: 250 }),
  ttlSeconds: fc.integer({ min: 1, max: 300 }),
  passedSeconds: fc.integer({ min: 0, max: 200 }),
})

/** `orders` has the scopes of the first step and `worker` those of the second. */
function serviceFor({ first, second, ttlSeconds }: Case): Promise<TestTokenService> {
  const client = (id: string, scope: readonly string[], side: 'issue' | 'redeem'): StsClient => {
    const rule = { audience: 'jobs-api', purposes: ['p'], scope, ttlSeconds }
    return {
      id,
      authentication: secretAuthentication('s'),
      grants: Object.values(grantType),
      accepts: ['shop-web'],
      audiences: new Map([
        ['jobs-api', { scope, ttlSeconds }],
        ['shop.test', { scope, ttlSeconds }],
      ]),
      tickets: { issue: [], redeem: [], [side]: [rule] },
    }
  }
  return createTestTokenService({
    clients: [client('orders', first, 'issue'), client('worker', second, 'redeem')],
    config: {
      transactionDomain: 'shop.test',
      tickets: { key: new Secret('k'.repeat(32)), ttlSeconds: 200 },
    },
  })
}

const isWithin = (inner: readonly string[], ...outer: (readonly string[])[]): boolean =>
  inner.every(scope => outer.every(set => set.includes(scope)))
const grantedBy = ({ json }: TokenAnswer): string[] => String(json['scope']).split(' ').filter(Boolean)

/** The answer is a refusal, or as wide as was asked for and no wider than may be. */
function expectWithin(
  answer: TokenAnswer,
  asked: readonly string[],
  ...most: (readonly string[])[]
): boolean {
  if (answer.status !== 200) {
    expect(answer.json['error']).toMatch(/^invalid_(scope|request|grant)$/)
    return false
  }
  expect(new Set(grantedBy(answer))).toEqual(new Set(asked))
  expect(isWithin(asked, ...most)).toBe(true)
  return true
}

const runs = { numRuns: 40 }
const exchange = (more: FormParameters): FormParameters => ({ grant_type: grantType.tokenExchange, ...more })

describe('no grant widens', () => {
  it('client credentials', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async one => {
        const sts = await serviceFor(one)
        const form = {
          grant_type: grantType.clientCredentials,
          audience: 'jobs-api',
          scope: one.asked.join(' '),
        }
        const answer = await sts.post(form, asOrders)
        if (!expectWithin(answer, one.asked, one.first)) return
        expect(answer.claims['exp']).toBeLessThanOrEqual(sts.clock.now() + Math.min(one.ttlSeconds, 120))
      }),
      runs,
    )
  })

  it('JWT bearer assertions', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async one => {
        const sts = await serviceFor(one)
        const now = sts.clock.now()
        const exp = now + one.subjectLifeSeconds
        const about = {
          aud: tokenServiceIssuer,
          client_id: undefined,
          scope: one.held.join(' '),
          iat: now,
          exp,
        }
        const assertion = await sts.login.sign(about, { typ: 'JWT' })
        const form = {
          grant_type: grantType.jwtBearer,
          assertion,
          audience: 'jobs-api',
          scope: one.asked.join(' '),
        }
        const answer = await sts.post(form, asOrders)
        if (!expectWithin(answer, one.asked, one.first, one.held)) return
        expect(answer.claims['exp']).toBeLessThanOrEqual(Math.min(exp, now + Math.min(one.ttlSeconds, 120)))
      }),
      runs,
    )
  })

  it('Transaction Tokens and their replacements', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async one => {
        const sts = await serviceFor(one)
        const exp = sts.clock.now() + one.subjectLifeSeconds
        const target = { requested_token_type: tokenType.transaction, audience: 'shop.test' }
        const first = await sts.post(
          exchange({
            ...target,
            subject_token: await sts.subjectToken({ aud: 'shop-web', scope: one.held.join(' '), exp }),
            subject_token_type: tokenType.accessToken,
            scope: one.asked.join(' '),
          }),
          asOrders,
        )
        if (!expectWithin(first, one.asked, one.first, one.held)) return
        expect(one.asked.length).toBeGreaterThan(0)
        expect(first.claims['exp']).toBeLessThanOrEqual(exp)
        sts.clock.advanceMs(one.passedSeconds * 1000)
        const second = await sts.post(
          exchange({
            ...target,
            subject_token: String(first.json['access_token']),
            subject_token_type: tokenType.transaction,
            scope: one.askedAgain.join(' '),
          }),
          asWorker,
        )
        if (!expectWithin(second, one.askedAgain, one.second, one.asked)) return
        expect(second.claims['exp']).toBeLessThanOrEqual(Number(first.claims['exp']))
        for (const claim of ['txn', 'sub', 'aud']) expect(second.claims[claim]).toBe(first.claims[claim])
      }),
      runs,
    )
  })

  it('tickets and what they are redeemed for', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async one => {
        const sts = await serviceFor(one)
        const issuedAt = sts.clock.now()
        const terms = { audience: 'jobs-api', purpose: 'p' }
        const ticket = await sts.post(
          exchange({
            ...terms,
            requested_token_type: tokenType.ticket,
            subject_token: await sts.subjectToken({ aud: 'shop-web', scope: one.held.join(' ') }),
            subject_token_type: tokenType.accessToken,
            scope: one.asked.join(' '),
          }),
          asOrders,
        )
        if (!expectWithin(ticket, one.asked, one.first, one.held)) return
        sts.clock.advanceMs(one.passedSeconds * 1000)
        const redeemed = await sts.post(
          exchange({
            ...terms,
            subject_token: String(ticket.json['access_token']),
            subject_token_type: tokenType.ticket,
            scope: one.askedAgain.join(' '),
          }),
          asWorker,
        )
        if (!expectWithin(redeemed, one.askedAgain, one.second, one.asked)) return
        const bounds = [
          issuedAt + Math.min(one.ttlSeconds, 200),
          sts.clock.now() + Math.min(one.ttlSeconds, 120),
        ]
        expect(redeemed.claims['exp']).toBeLessThanOrEqual(Math.min(...bounds))
      }),
      runs,
    )
  })
})
