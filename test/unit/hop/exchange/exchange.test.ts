import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { fail, ok } from '../../../../src/base/result.ts'
import { Secret } from '../../../../src/base/secret.ts'
import { createExchange, type ExchangeDependencies } from '../../../../src/hop/exchange/exchange.ts'
import { LayeredCache } from '../../../../src/hop/exchange/layered-cache.ts'
import { MemoryCache } from '../../../../src/hop/exchange/memory-cache.ts'
import { permitMachine } from '../../../../src/model/exchange-request.ts'
import { type RefusalCode, refusal } from '../../../../src/model/refusal.ts'
import { permittedRequest } from '../../../support/exchange-request.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'
import { anIssuedToken, aRoute, aVerifiedToken } from '../../../support/nouns.ts'
import { createScriptedExchanger, type OpenExchange } from '../../../support/scripted-exchanger.ts'

const context = { clientId: 'orders', server: 'https://hub.test', policyDigest: 'p1' }
const bounds = { maxEntries: 100, maxBytes: 1_000_000 }

function start(
  about: Partial<ExchangeDependencies> = {},
  onCall: (call: OpenExchange, index: number) => void = () => {},
) {
  const clock = createFakeClock()
  const exchanger = createScriptedExchanger(onCall)
  const exchange = createExchange({
    cache: new LayeredCache(new MemoryCache(bounds)),
    exchanger,
    context: () => context,
    timeoutMs: 5000,
    negativeSeconds: 5,
    clock,
    ...about,
  })
  return { clock, exchanger, exchange, calls: exchanger.calls }
}

const issued = (clock: { now(): number }, seconds = 60) => anIssuedToken({ expiresAt: clock.now() + seconds })

describe('the exchange stage', () => {
  it('exchanges once, and then answers from memory without a promise', async () => {
    const { exchange, calls, clock } = start()
    const request = permittedRequest()
    const first = exchange(request)
    expect(first).toBeInstanceOf(Promise)
    await turn()
    const token = issued(clock)
    calls[0]?.answer(ok(token))
    expect(await first).toEqual(ok({ token, source: 'issued' }))
    expect(exchange(request)).toEqual(ok({ token, source: 'memory' }))
    expect(exchange(permittedRequest())).toEqual(ok({ token, source: 'memory' }))
    expect(calls.length).toBe(1)
  })

  it('gets both tokens of a dual identity at once, and answers nothing with one of them', async () => {
    const route = aRoute({ mode: 'machine', trustDomain: 'shop.test' })
    const request = permitMachine(route, aVerifiedToken(), { effect: 'permit', rule: 'r', mode: 'machine' })
    if (request === undefined) throw new Error('not permitted')
    const no = fail(refusal('exchange.subject_rejected', 'no'))
    const settle = async (own: 'issued' | 'refused', context: 'issued' | 'refused') => {
      const { exchange, clock } = start({}, call => {
        const outcome = call.request.mode === 'machine' ? own : context
        const tokenId = call.request.mode === 'machine' ? 'own' : 'context'
        call.answer(outcome === 'refused' ? no : ok({ ...issued(clock), tokenId }))
      })
      return { first: await exchange(request), again: exchange(request) }
    }
    const both = await settle('issued', 'issued')
    const tokens = { token: { tokenId: 'own' }, transaction: { tokenId: 'context' } }
    expect(both.first).toMatchObject({ ok: true, value: tokens })
    expect(both.again).toMatchObject({ ok: true, value: { ...tokens, source: 'memory' } })
    for (const [own, context] of [
      ['issued', 'refused'],
      ['refused', 'issued'],
    ] as const) {
      expect((await settle(own, context)).first).toEqual(no)
    }
  })

  it('does not use a token from the moment that it may last be used', async () => {
    const { exchange, calls, clock } = start({}, call => call.answer(ok(issued(clock))))
    const request = permittedRequest()
    await exchange(request)
    clock.advanceMs(59_999)
    expect(exchange(request)).toMatchObject({ ok: true })
    clock.advanceMs(1)
    expect(exchange(request)).toBeInstanceOf(Promise)
    await turn()
    expect(calls.length).toBe(2)
  })

  it('finds nothing that was made in another context, as before a signing key was withdrawn', async () => {
    let current = context
    const { exchange, calls, clock } = start({ context: () => current }, call =>
      call.answer(ok(issued(clock))),
    )
    const request = permittedRequest()
    await exchange(request)
    current = { ...context, policyDigest: 'p2' }
    expect(exchange(request)).toBeInstanceOf(Promise)
    await turn()
    expect(exchange(request)).toMatchObject({ ok: true, value: { source: 'memory' } })
    expect(calls.length).toBe(2)
  })

  it('keeps nothing that was made while the context became another', async () => {
    let current = context
    const { exchange, calls, clock } = start({ context: () => current })
    const request = permittedRequest()
    const first = exchange(request)
    await turn()
    current = { ...context, policyDigest: 'p2' }
    calls[0]?.answer(ok(issued(clock)))
    expect(await first).toMatchObject({ ok: true, value: { source: 'issued' } })
    for (const again of [current, context]) {
      current = again
      expect(exchange(request)).toBeInstanceOf(Promise)
    }
    await turn()
    expect(calls.length).toBe(3)
  })

  it('makes one call for 200 concurrent requests of one key', async () => {
    const { exchange, calls, clock } = start()
    const waiting = Array.from({ length: 200 }, () => exchange(permittedRequest()))
    await turn()
    expect(calls.length).toBe(1)
    calls[0]?.answer(ok(issued(clock)))
    const sources = (await Promise.all(waiting)).map(result => result.ok && result.value.source)
    expect(sources.filter(source => source === 'issued').length).toBe(1)
    expect(sources.filter(source => source === 'joined').length).toBe(199)
  })

  it('never shares between subjects, audiences, scopes or tokens', async () => {
    const { exchange, calls } = start()
    const requests = [
      permittedRequest(),
      permittedRequest({ audience: 'billing-api' }),
      permittedRequest({ ttlSeconds: 5 }),
      permittedRequest({}, { subject: 'bob' }),
      permittedRequest({}, { presented: new Secret('h.p.other') }),
      permittedRequest({}, { issuer: 'https://other.test' }),
      permittedRequest({}, { authenticationContext: 'mfa' }),
      permittedRequest({}, { actor: { subject: 'gate' } }),
    ]
    for (const request of requests) exchange(request)
    await turn()
    expect(calls.map(call => call.request)).toEqual(requests)
  })

  it('gives a failing leader’s failure to its own waiters and to no other subject', async () => {
    const { exchange, calls, clock } = start()
    const alice = [exchange(permittedRequest()), exchange(permittedRequest())]
    const bob = exchange(permittedRequest({}, { subject: 'bob' }))
    await turn()
    calls[0]?.answer(fail(refusal('exchange.unavailable', 'down')))
    calls[1]?.answer(ok(issued(clock)))
    for (const result of await Promise.all(alice))
      expect(result).toMatchObject({ error: { code: 'exchange.unavailable' } })
    expect(await bob).toMatchObject({ ok: true })
  })

  it('goes on for the others when one caller no longer listens', async () => {
    const { exchange, calls, clock } = start()
    const gone = new AbortController()
    const leader = Promise.race([
      exchange(permittedRequest()),
      new Promise((_, reject) => gone.signal.addEventListener('abort', () => reject(new Error('gone')))),
    ])
    const follower = exchange(permittedRequest())
    await turn()
    gone.abort()
    await expect(leader).rejects.toThrow('gone')
    expect(calls[0]?.signal.aborted).toBe(false)
    calls[0]?.answer(ok(issued(clock)))
    expect(await follower).toMatchObject({ ok: true, value: { source: 'joined' } })
  })

  it('ends an exchange that does not end by itself, and is free for the next', async () => {
    const { exchange, calls } = start({ timeoutMs: 30 })
    const request = permittedRequest()
    expect(await exchange(request)).toMatchObject({ error: { code: 'exchange.unavailable' } })
    expect(calls[0]?.signal.aborted).toBe(true)
    exchange(request)
    await turn()
    expect(calls.length).toBe(2)
  })

  it('does not use what arrives after its time', async () => {
    const { exchange, calls, clock } = start({ timeoutMs: 30 })
    const request = permittedRequest()
    await exchange(request)
    calls[0]?.answer(ok(issued(clock)))
    await turn()
    expect(exchange(request)).toBeInstanceOf(Promise)
  })

  it('lets an exchanger’s bug be an exception for those who wait, and no longer', async () => {
    const { exchange, calls, clock } = start()
    const request = permittedRequest()
    const broken = exchange(request)
    await turn()
    calls[0]?.fail(new Error('bug'))
    await expect(broken).rejects.toThrow('bug')
    const next = exchange(request)
    await turn()
    calls[1]?.answer(ok(issued(clock)))
    expect(await next).toMatchObject({ ok: true })
  })

  it('asks nobody for a subject token that has ended', () => {
    const { exchange, calls, clock } = start()
    const request = permittedRequest({}, { expiresAt: clock.now() })
    expect(exchange(request)).toMatchObject({ error: { code: 'exchange.subject_rejected' } })
    expect(calls.length).toBe(0)
  })
})

describe('a remembered refusal', () => {
  it.each<RefusalCode>(['exchange.denied', 'exchange.subject_rejected'])(
    'answers at once for %s, for seconds',
    async code => {
      const { exchange, calls, clock } = start({}, call => call.answer(fail(refusal(code, 'no'))))
      const request = permittedRequest()
      expect(await exchange(request)).toEqual(fail({ code, detail: 'no' }))
      expect(exchange(request)).toEqual(fail({ code, detail: 'no (remembered)' }))
      clock.advanceMs(4999)
      expect(exchange(request)).toMatchObject({ error: { code } })
      expect(calls.length).toBe(1)
      clock.advanceMs(1)
      await exchange(request)
      expect(calls.length).toBe(2)
    },
  )

  it.each<RefusalCode>([
    'exchange.unavailable',
    'exchange.client_rejected',
    'exchange.malformed',
    'exchange.contract',
    'exchange.interaction_required',
    'policy.scope_missing',
  ])('is never made of %s', async code => {
    const { exchange, calls } = start({}, call => call.answer(fail(refusal(code, 'no'))))
    const request = permittedRequest()
    await exchange(request)
    await exchange(request)
    expect(calls.length).toBe(2)
  })

  it('is for the exact key: another token of the same subject is asked about', async () => {
    const { exchange, calls, clock } = start({}, (call, index) =>
      call.answer(index === 0 ? fail(refusal('exchange.subject_rejected', 'no')) : ok(issued(clock))),
    )
    await exchange(permittedRequest({}, { presented: new Secret('h.p.bad') }))
    expect(await exchange(permittedRequest({}, { presented: new Secret('h.p.good') }))).toMatchObject({
      ok: true,
    })
    expect(calls.length).toBe(2)
  })

  it('is turned off by 0', async () => {
    const { exchange, calls } = start({ negativeSeconds: 0 }, call =>
      call.answer(fail(refusal('exchange.denied', 'no'))),
    )
    await exchange(permittedRequest())
    await exchange(permittedRequest())
    expect(calls.length).toBe(2)
  })
})

describe('evict', () => {
  it('makes the next request exchange anew, at most once in ten seconds', async () => {
    const { exchange, calls, clock } = start({}, call => call.answer(ok(issued(clock, 600))))
    const request = permittedRequest()
    await exchange(request)
    exchange.evict(request)
    await exchange(request)
    expect(calls.length).toBe(2)
    clock.advanceMs(9999)
    exchange.evict(request)
    expect(exchange(request)).toMatchObject({ value: { source: 'memory' } })
    clock.advanceMs(1)
    exchange.evict(request)
    await exchange(request)
    expect(calls.length).toBe(3)
  })

  it('leaves other keys alone', async () => {
    const { exchange, clock } = start({}, call => call.answer(ok(issued(clock))))
    const other = permittedRequest({}, { subject: 'bob' })
    await exchange(permittedRequest())
    await exchange(other)
    exchange.evict(permittedRequest())
    expect(exchange(other)).toMatchObject({ value: { source: 'memory' } })
  })

  it('wins over an exchange that is under way: its token is not kept, and nobody joins it any more', async () => {
    const { exchange, calls, clock } = start()
    const request = permittedRequest()
    const before = exchange(request)
    await turn()
    exchange.evict(request)
    const after = exchange(request)
    await turn()
    expect(calls.length).toBe(2)
    const [old, fresh] = [issued(clock), issued(clock)]
    calls[1]?.answer(ok(fresh))
    expect(await after).toEqual(ok({ token: fresh, source: 'issued' }))
    calls[0]?.answer(ok(old))
    expect(await before).toMatchObject({ ok: true })
    const kept = exchange(request)
    expect(kept).toMatchObject({ value: { source: 'memory' } })
    expect((kept as { value: { token: unknown } }).value.token).toBe(fresh)
  })

  it('drops a refusal that an exchange under way brings', async () => {
    const { exchange, calls } = start()
    const request = permittedRequest()
    const before = exchange(request)
    await turn()
    exchange.evict(request)
    calls[0]?.answer(fail(refusal('exchange.denied', 'no')))
    await before
    expect(exchange(request)).toBeInstanceOf(Promise)
  })
})
