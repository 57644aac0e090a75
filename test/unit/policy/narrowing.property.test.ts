import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { permit } from '../../../src/model/exchange-request.ts'
import type { ProtectedRoute } from '../../../src/model/route.ts'
import type { VerifiedToken } from '../../../src/model/verified-token.ts'
import { isScopeWithin, parseScope, type ScopeSet, scopeSet } from '../../../src/oauth/scope-set.ts'
import { createAllOf } from '../../../src/policy/all-of.ts'
import { audiencesOf, scopeAt } from '../../../src/policy/candidates.ts'
import type { PolicyDocument } from '../../../src/policy/document.ts'
import { createDocumentEngine } from '../../../src/policy/document-engine.ts'
import { createPolicy } from '../../../src/policy/policy.ts'
import { createCaseReader } from '../../../src/policy/read-case.ts'
import { createRouteRules } from '../../../src/policy/route-rules.ts'
import { type Case, type Check, compileRule, type Lack } from '../../../src/policy/rule.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { anAdmittedRequest, aRoute } from '../../support/nouns.ts'
import { noon, policyServer } from '../../support/policy.ts'
import {
  generousPolicy,
  policyWith,
  somePolicy,
  someQuestion,
  someRule,
} from '../../support/policy-questions.ts'
import {
  createTestTokenService,
  secretAuthentication,
  tokenServiceIssuer,
} from '../../support/token-service.ts'

const scopes = ['r', 's', 't']
const someScope = fc.subarray(scopes).map(list => scopeSet(list))
const someLife = fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined })

const someBound = fc.record({
  ttlSeconds: someLife,
  scope: fc.constantFrom(undefined, scopeSet(['r']), scopeSet(['s']), scopeSet(['r', 's'])),
})

/** Any policy, with bounds here and there. */
const withBounds = fc
  .tuple(fc.oneof(generousPolicy, somePolicy), fc.array(someBound, { minLength: 6, maxLength: 6 }))
  .map(
    ([document, bounds]): PolicyDocument => ({
      ...document,
      rules: document.rules.map((rule, index) => ({
        ...rule,
        scope: bounds[index]?.scope,
        ttlSeconds: bounds[index]?.ttlSeconds,
      })),
    }),
  )

/** What a rule permits at most. */
function boundsOf(document: PolicyDocument, id: string, audience: string) {
  const rule = document.rules.find(one => one.id === id)
  const at = document.audiences.get(audience)
  if (rule === undefined || at === undefined) throw new Error(`no rule ${id} at ${audience}`)
  const standard = rule.mode === 'impersonation' ? 60 : Number.POSITIVE_INFINITY
  return { mode: rule.mode, scope: scopeAt(rule, at), ttlSeconds: rule.ttlSeconds ?? standard }
}

function firstLack(checks: readonly Check[], asked: Case): Lack | undefined {
  for (const check of checks) {
    const lack = check(asked)
    if (lack !== undefined) return lack
  }
  return undefined
}

describe('narrowing is a law', () => {
  it('at the sidecar: what may be asked for is within route, presented token and the rule of each policy', async () => {
    let permits = 0
    await fc.assert(
      fc.asyncProperty(
        withBounds,
        withBounds,
        fc.array(fc.tuple(someQuestion, someScope, someScope, someScope, someLife), {
          minLength: 20,
          maxLength: 40,
        }),
        async (one, other, asked) => {
          const clock = createFakeClock(noon)
          for (const [question, presented, required, optional, ttlSeconds] of asked) {
            const { mode, audience, client, context, actorToken } = question
            if (question.subject === undefined || mode === 'machine') continue
            const token: VerifiedToken = { ...question.subject, scope: presented, expiresAt: noon + 200 }
            const route: ProtectedRoute = aRoute({
              mode,
              audience,
              scope: required,
              optionalScope: scopeSet(optional.filter(scope => !required.includes(scope))),
              ...(ttlSeconds !== undefined && { ttlSeconds }),
            })
            const engineOf = (document: PolicyDocument) =>
              createDocumentEngine({
                policy: createPolicy(document, policyServer),
                client,
                environment: context.environment,
                clock,
              })
            const request = anAdmittedRequest({ route, caseId: context.caseId })
            const engine = createAllOf([createRouteRules([route]), engineOf(one), engineOf(other)])
            const occasion = { actorToken, caseId: context.caseId }
            const asks = permit(route, token, await engine.decide(request, token, actorToken), occasion)
            const decisions = await Promise.all(
              [one, other].map(document => engineOf(document).decide(request, token, actorToken)),
            )
            if (decisions.some(({ effect }) => effect === 'deny')) {
              expect(asks).toBeUndefined()
              continue
            }
            if (asks === undefined) continue
            permits++
            expect(asks.mode).toBe(mode)
            expect(isScopeWithin(asks.scope, presented)).toBe(true)
            expect(isScopeWithin(asks.scope, scopeSet([...required, ...optional]))).toBe(true)
            expect(isScopeWithin(required, asks.scope)).toBe(true)
            expect(asks.notAfter).toBeLessThanOrEqual(token.expiresAt)
            expect(asks.notAfter).toBeLessThanOrEqual(actorToken?.expiresAt ?? Number.POSITIVE_INFINITY)
            expect(asks.ttlSeconds ?? 0).toBeLessThanOrEqual(ttlSeconds ?? Number.POSITIVE_INFINITY)
            for (const [index, document] of [one, other].entries()) {
              const bounds = boundsOf(document, decisions[index]?.rule ?? '', audience)
              expect(bounds.mode).toBe(mode)
              expect(isScopeWithin(asks.scope, bounds.scope)).toBe(true)
              expect(asks.ttlSeconds ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(bounds.ttlSeconds)
            }
          }
        },
      ),
      { numRuns: 40 },
    )
    expect(permits).toBeGreaterThan(0)
  }, 60_000)

  it('at the token service: what is issued is within what is asked, presented, configured and ruled, and so is its life', async () => {
    let issued = 0
    await fc.assert(
      fc.asyncProperty(
        withBounds,
        fc.record({ scope: someScope, ttlSeconds: someLife, isListed: fc.boolean() }),
        fc.array(
          fc.record({
            presented: someScope,
            asked: fc.option(someScope, { nil: undefined }),
            life: fc.integer({ min: 5, max: 400 }),
            audience: fc.constantFrom('orders-api', 'billing-api'),
            mode: fc.constantFrom(undefined, undefined, 'impersonation'),
          }),
          { minLength: 4, maxLength: 8 },
        ),
        async (document, entry, requests) => {
          const own = new Map(
            ['orders-api', 'billing-api'].map(audience => [
              audience,
              { scope: entry.scope, ttlSeconds: entry.ttlSeconds },
            ]),
          )
          const service = await createTestTokenService({
            config: { policy: document },
            clients: [
              {
                id: 'orders',
                authentication: secretAuthentication('orders:s%cret +1'),
                accepts: ['shop-web'],
                audiences: entry.isListed ? own : undefined,
              },
            ],
          })
          for (const { presented, asked, life, audience, mode } of requests) {
            const now = service.clock.now()
            const subject = await service.subjectToken({
              scope: presented.length === 0 ? undefined : presented.join(' '),
              exp: now + life,
            })
            const answer = await service.exchange({
              subject_token: subject,
              audience,
              scope: asked?.join(' '),
              exchange_mode: mode,
            })
            if (answer.status !== 200) continue
            issued++
            const { claims } = answer
            const { rule = '' } = service.lastEvent().decision ?? {}
            const bounds = boundsOf(document, rule, audience)
            const held = parseScope((claims['scope'] as string | undefined) ?? '') as ScopeSet
            for (const most of [asked ?? scopeSet([]), presented, bounds.scope]) {
              expect(isScopeWithin(held, most)).toBe(true)
            }
            if (entry.isListed) expect(isScopeWithin(held, entry.scope)).toBe(true)
            const lives = [life, bounds.ttlSeconds, 120, ...(entry.isListed ? [entry.ttlSeconds] : [])]
            expect((claims['exp'] as number) - now).toBeLessThanOrEqual(
              Math.min(...lives.filter(one => one !== undefined)),
            )
            expect(claims).toMatchObject({ iss: tokenServiceIssuer, sub: 'alice', aud: audience })
            expect(claims['act'] === undefined).toBe(mode === 'impersonation')
          }
        },
      ),
      { numRuns: 40 },
    )
    expect(issued).toBeGreaterThan(0)
  }, 60_000)
})

describe('a policy', () => {
  it('takes no permit away when a rule is added, and changes none when it is added at the end', () => {
    let permits = 0
    fc.assert(
      fc.property(
        fc.array(someRule, { minLength: 1, maxLength: 5 }),
        someRule,
        fc.nat({ max: 5 }),
        fc.array(someQuestion, { minLength: 20, maxLength: 40 }),
        (rules, added, place, asked) => {
          const decide = (list: readonly string[]) => createPolicy(policyWith(list), policyServer).decide
          const before = decide(rules)
          const anywhere = decide(rules.toSpliced(place, 0, added))
          const atTheEnd = decide([...rules, added])
          for (const question of asked) {
            const decision = before(question)
            if (decision.effect === 'deny') continue
            permits++
            expect(anywhere(question).effect).toBe('permit')
            expect(atTheEnd(question)).toEqual(decision)
          }
        },
      ),
      { numRuns: 30 },
    )
    expect(permits).toBeGreaterThan(0)
  }, 60_000)

  it('permits no more to whom a claim is missing', () => {
    fc.assert(
      fc.property(
        fc.oneof(somePolicy, generousPolicy).map(document => ({
          ...document,
          // A condition may well ask that something is not there.
          rules: document.rules.map(rule => ({ ...rule, when: undefined })),
        })),
        fc.array(someQuestion, { minLength: 20, maxLength: 40 }),
        fc.constantFrom('tenant', 'roles', 'vip', 'acr'),
        (document, asked, claim) => {
          const { decide } = createPolicy(document, policyServer)
          const without = <T extends VerifiedToken | undefined>(token: T): T =>
            token && {
              ...token,
              claims: Object.fromEntries(Object.entries(token.claims).filter(([name]) => name !== claim)),
              ...(claim === 'acr' && { authenticationContext: undefined }),
            }
          for (const question of asked) {
            const withAll = decide(question)
            for (const less of [
              { ...question, subject: without(question.subject) },
              { ...question, actorToken: without(question.actorToken) },
            ]) {
              if (decide(less).effect === 'permit') expect(withAll.effect).toBe('permit')
            }
          }
        },
      ),
      { numRuns: 60 },
    )
  }, 60_000)

  it('decides as if every check of every rule were asked in turn, whatever it has prepared', () => {
    fc.assert(
      fc.property(
        fc.oneof(somePolicy, generousPolicy),
        fc.array(someQuestion, { minLength: 20, maxLength: 60 }),
        (document, asked) => {
          const policy = createPolicy(document, policyServer)
          const readCase = createCaseReader(document, policyServer)
          for (const question of asked) {
            const decision = policy.decide(question)
            const client = document.clients.get(question.client)
            const read = client && readCase(question, client)
            if (read?.ok !== true) {
              expect(decision.effect).toBe('deny')
              continue
            }
            const at = document.audiences.get(question.audience)
            let closest: { readonly id: string; readonly step: number; readonly what: string } | undefined
            let permitted: string | undefined
            for (const rule of document.rules) {
              if (rule.mode !== question.mode || !audiencesOf(rule, document).includes(question.audience))
                continue
              if (at === undefined || permitted !== undefined) continue
              const { steps } = compileRule(rule, scopeAt(rule, at), at.servedBy)
              const lacks: readonly (Lack | undefined)[] = steps.map((checks: readonly Check[]) =>
                firstLack(checks, read.value),
              )
              const step = lacks.findIndex(lack => lack !== undefined)
              const what = lacks[step]?.what
              if (what === undefined) permitted = rule.id
              else if (closest === undefined || step > closest.step) closest = { id: rule.id, step, what }
            }
            if (permitted !== undefined) expect(decision).toMatchObject({ effect: 'permit', rule: permitted })
            else if (closest === undefined)
              expect(decision).toMatchObject({ effect: 'deny', rule: 'no rule' })
            else {
              const reason = `rule ${closest.id} came closest; it lacks ${closest.what}`
              expect(decision).toMatchObject({ effect: 'deny', rule: closest.id, reason })
            }
          }
        },
      ),
      { numRuns: 80 },
    )
  }, 60_000)
})
