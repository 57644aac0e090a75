import { describe, expect, it } from 'vitest'
import type { VerifiedToken } from '../../../src/model/verified-token.ts'
import { formatLineage, readMarks, tokenMark } from '../../../src/sts/lineage.ts'

const own = 'https://hub.example.com'

function parent(claims: Record<string, unknown>, issuer = own): VerifiedToken {
  return { issuer, claims } as unknown as VerifiedToken
}

function lineageOf(...parents: VerifiedToken[]): string | undefined {
  const lineage = formatLineage(parents, own)
  if (!lineage.ok) throw new Error(lineage.error)
  return lineage.value
}

describe('the lineage of a token', () => {
  it('is nothing when it comes from another issuer, whose token may claim what it likes', () => {
    expect(
      lineageOf(parent({ jti: 'a', lineage: tokenMark('x') }, 'https://login.example.com')),
    ).toBeUndefined()
    expect(lineageOf()).toBeUndefined()
  })

  it('grows by 16 characters with each exchange, oldest first', () => {
    const first = lineageOf(parent({ jti: 'a' }))
    expect(first).toBe(tokenMark('a'))
    expect(first).toHaveLength(16)
    expect(lineageOf(parent({ jti: 'b', lineage: first }))).toBe(`${tokenMark('a')}${tokenMark('b')}`)
  })

  it('joins those of several tokens, each ancestor once', () => {
    const [a, b, c] = [tokenMark('a'), tokenMark('b'), tokenMark('c')]
    expect(lineageOf(parent({ jti: 'b', lineage: a }), parent({ jti: 'c', lineage: a }))).toBe(`${a}${b}${c}`)
  })

  it('ends at 32 ancestors', () => {
    const line = (count: number) =>
      Array.from({ length: count }, (_, index) => tokenMark(`${index}`)).join('')
    expect(lineageOf(parent({ jti: 'b', lineage: line(31) }))).toHaveLength(32 * 16)
    expect(formatLineage([parent({ jti: 'b', lineage: line(32) })], own)).toMatchObject({ ok: false })
  })

  it('cannot be made for a token that does not say its own', () => {
    expect(formatLineage([parent({})], own)).toMatchObject({ ok: false })
    expect(formatLineage([parent({ jti: 'b', lineage: 'short' })], own)).toMatchObject({ ok: false })
  })
})

describe('the marks that revoke a token', () => {
  it('are its own and those of all its ancestors', () => {
    const lineage = `${tokenMark('a')}${tokenMark('b')}`
    expect(readMarks({ jti: 'c', lineage })).toEqual([tokenMark('a'), tokenMark('b'), tokenMark('c')])
    expect(readMarks({ jti: 'c' })).toEqual([tokenMark('c')])
  })

  it.each([
    [{}],
    [{ jti: '' }],
    [{ jti: 7 }],
    [{ jti: 'c', lineage: 7 }],
    [{ jti: 'c', lineage: 'x'.repeat(15) }],
    [{ jti: 'c', lineage: 'x'.repeat(17) }],
    [{ jti: 'c', lineage: `${'x'.repeat(15)}.` }],
    [{ jti: 'c', lineage: 'x'.repeat(33 * 16) }],
  ])('are not known of %j', claims => {
    expect(readMarks(claims)).toBeUndefined()
  })

  it('tell nobody the id', () => {
    expect(tokenMark('the-token-id')).toMatch(/^[\w-]{16}$/)
    expect(tokenMark('the-token-id')).not.toContain('the')
  })
})
