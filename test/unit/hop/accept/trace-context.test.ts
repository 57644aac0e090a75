import { describe, expect, it } from 'vitest'
import { continueTrace, randomHex } from '../../../../src/hop/accept/trace-context.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'

describe('continueTrace', () => {
  it('goes on with the trace under an id of its own', () => {
    const { traceId, traceparent, continued } = continueTrace(`00-${trace}-00f067aa0ba902b7-01`)
    expect(traceId).toBe(trace)
    expect(continued).toBe(true)
    expect(traceparent).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
    expect(traceparent).not.toContain('00f067aa0ba902b7')
  })

  it('takes a later version with a suffix, and keeps only the flag that is known', () => {
    expect(continueTrace(`cc-${trace}-00f067aa0ba902b7-ff-what`).traceparent).toMatch(
      new RegExp(`^00-${trace}-.{16}-01$`),
    )
  })

  it.each([
    undefined,
    '',
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${trace}-0000000000000000-01`,
    `ff-${trace}-00f067aa0ba902b7-01`,
    `00-${trace.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${trace}-00f067aa0ba902b7-01-more`,
    `00-${trace}-00f067aa0ba902b7`,
  ])('starts a new trace instead of %j', traceparent => {
    const fresh = continueTrace(traceparent)
    expect(fresh.continued).toBe(false)
    expect(fresh.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(fresh.traceId).not.toBe(trace)
  })
})

describe('randomHex', () => {
  it('never repeats within many pools', () => {
    const seen = new Set(Array.from({ length: 5_000 }, () => randomHex(16)))
    expect(seen.size).toBe(5_000)
    expect([...seen].every(id => /^[0-9a-f]{32}$/.test(id))).toBe(true)
  })
})
