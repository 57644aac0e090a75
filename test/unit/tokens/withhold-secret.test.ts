import { describe, expect, it } from 'vitest'
import { withholdSecrets } from '../../../src/tokens/withhold-secret.ts'

const token = 'mF_9.B5f-4.1JqM+opaque/token~'

describe('withholdSecrets', () => {
  it('passes what quotes no secret', () => {
    expect(withholdSecrets('aud names nobody here', [token, undefined, ''])).toBe('aud names nobody here')
  })

  it.each([
    ['the whole', `error "${token}"`],
    ['the beginning, cut', `iss "${token.slice(0, 14)}..." is another issuer`],
    ['the end, cut', `${token.slice(-12)}`],
    ['the middle', `x${token.slice(6, 20)}x`],
  ])('withholds a text that quotes %s', (_, text) => {
    expect(withholdSecrets(text, ['other', token])).toBe('[withheld: it quotes a secret]')
  })

  it('withholds a text that quotes a short secret whole', () => {
    expect(withholdSecrets('the secret is pw1', ['pw1'])).not.toContain('pw1')
    expect(withholdSecrets('the secret is pw', ['pw1'])).toContain('pw')
  })
})
