import { createCipheriv, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../../src/base/secret.ts'
import type { CacheKey } from '../../../../src/hop/exchange/cache-key.ts'
import { maxSealedBytes, openToken, sealToken } from '../../../../src/hop/exchange/seal.ts'
import { scopeSet } from '../../../../src/oauth/scope-set.ts'
import { anIssuedToken } from '../../../support/nouns.ts'

const key: CacheKey = { id: 'entry-1', seal: randomBytes(32) }
const token = anIssuedToken({ actors: ['orders', 'shop-web'], scope: scopeSet(['a', 'b']) })

/** Seals any text as the module would, so that what is inside can be wrong. */
function sealText(text: string | Buffer): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key.seal, nonce)
  cipher.setAAD(Buffer.from(`hopgate sealed token 1:${key.id}`))
  const body = Buffer.concat([cipher.update(text), cipher.final()])
  return Buffer.concat([Buffer.of(1), nonce, body, cipher.getAuthTag()])
}

const entry = {
  value: 'a.b.c',
  issuedTokenType: 'urn:ietf:params:oauth:token-type:access_token',
  audience: 'orders-api',
  scope: 'orders:read',
  actors: ['orders'],
  tokenId: 'jti-2',
  fingerprint: 'f',
  expiresAt: 2_000_000_000,
}

describe('sealToken and openToken', () => {
  it('give back what was sealed', () => {
    const opened = openToken(key, sealToken(key, token))
    expect(opened?.value.expose()).toBe(token.value.expose())
    expect({ ...opened, value: undefined }).toEqual({ ...token, value: undefined })
  })

  it('give back a token without jti, actors and scope', () => {
    const bare = anIssuedToken({ tokenId: undefined, actors: [], scope: scopeSet([]), expiresAt: 1.5 })
    expect({ ...openToken(key, sealToken(key, bare)), value: 0 }).toEqual({ ...bare, value: 0 })
  })

  it('never produce the same bytes twice', () => {
    const [a, b] = [sealToken(key, token), sealToken(key, token)]
    expect(a.subarray(1, 13).equals(b.subarray(1, 13))).toBe(false)
    expect(a.equals(b)).toBe(false)
  })

  it('show nothing of the token', () => {
    const sealed = sealToken(key, token).toString('latin1')
    for (const text of [token.value.expose(), 'orders-api', 'shop-web']) expect(sealed).not.toContain(text)
  })

  it('open under no other name and with no other key', () => {
    const sealed = sealToken(key, token)
    expect(openToken({ ...key, id: 'entry-2' }, sealed)).toBeUndefined()
    expect(openToken({ ...key, seal: randomBytes(32) }, sealed)).toBeUndefined()
    expect(openToken(key, sealed)).toBeDefined()
  })

  it('notice any changed byte', () => {
    const sealed = sealToken(key, token)
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed)
      changed[index] = (changed[index] ?? 0) ^ 1
      expect(openToken(key, changed), `byte ${index}`).toBeUndefined()
    }
  })

  it('notice what was cut or put in front or behind', () => {
    const sealed = sealToken(key, token)
    for (let length = 0; length < sealed.length; length++) {
      expect(openToken(key, sealed.subarray(0, length))).toBeUndefined()
    }
    expect(openToken(key, sealed.subarray(1))).toBeUndefined()
    expect(openToken(key, Buffer.concat([sealed, Buffer.of(0)]))).toBeUndefined()
    expect(openToken(key, Buffer.concat([Buffer.of(1), sealed]))).toBeUndefined()
  })

  it('never throw for bytes that somebody else wrote', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        expect(openToken(key, Buffer.from(bytes))).toBeUndefined()
        expect(openToken(key, Buffer.from([1, ...bytes]))).toBeUndefined()
      }),
    )
  })

  it('refuse an entry that is too large before they decrypt it', () => {
    const large = sealText(JSON.stringify({ ...entry, value: 'a'.repeat(maxSealedBytes) }))
    expect(openToken(key, large)).toBeUndefined()
    expect(openToken(key, sealText(JSON.stringify(entry)))).toBeDefined()
  })

  it.each([
    ['no object', '[]'],
    ['no JSON', 'token'],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['a member twice', JSON.stringify(entry).replace('{', '{"audience":"billing-api",')],
    ['a member of a later version', JSON.stringify({ ...entry, tenant: 't' })],
    ['a member missing', JSON.stringify({ ...entry, fingerprint: undefined })],
    ['an empty token', JSON.stringify({ ...entry, value: '' })],
    ['a token that is no text', JSON.stringify({ ...entry, value: { a: 1 } })],
    ['a scope that is no scope', JSON.stringify({ ...entry, scope: 'a  b' })],
    ['a scope list', JSON.stringify({ ...entry, scope: ['a'] })],
    ['actors that are no list', JSON.stringify({ ...entry, actors: 'orders' })],
    ['actors with a hole', JSON.stringify({ ...entry, actors: ['orders', null] })],
    ['an expiry that is no number', JSON.stringify({ ...entry, expiresAt: '2000000000' })],
    ['an expiry in no time', JSON.stringify({ ...entry, expiresAt: -1 })],
    ['an endless expiry', JSON.stringify(entry).replace('2000000000', '1e999')],
  ])('refuse an authentic entry with %s', (_what, content) => {
    expect(openToken(key, sealText(content))).toBeUndefined()
  })

  it('open a token as a secret', () => {
    expect(openToken(key, sealText(JSON.stringify(entry)))?.value).toBeInstanceOf(Secret)
  })
})
