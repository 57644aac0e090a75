import { describe, expect, it } from 'vitest'
import { isIdentifier, readAccessClaims, readAudience } from '../../../src/tokens/access-claims.ts'

const base = { sub: 'alice', aud: 'shop-web' }

function read(claims: Record<string, unknown>, maxActorDepth = 3) {
  const result = readAccessClaims({ ...base, ...claims }, maxActorDepth)
  return result.ok ? result.value : undefined
}

function errorOf(claims: Record<string, unknown>, maxActorDepth = 3): string | undefined {
  const result = readAccessClaims({ ...base, ...claims }, maxActorDepth)
  return result.ok ? undefined : result.error
}

const nobodys = [
  '',
  1,
  null,
  [],
  {},
  true,
  'a\u0000',
  'a\r\nb',
  'a\u0085',
  'a\u007f',
  'x'.repeat(257),
  'é'.repeat(129),
]

describe('isIdentifier', () => {
  it.each(nobodys)('refuses %j', value => {
    expect(isIdentifier(value)).toBe(false)
  })

  it.each(['a', 'x'.repeat(256), 'é'.repeat(128), 'a b', '__proto__', '😀', 'auth0|123'])(
    'accepts %j',
    value => {
      expect(isIdentifier(value)).toBe(true)
    },
  )
})

describe('readAccessClaims', () => {
  it('reads the claims of an access token', () => {
    const claims = {
      sub: 'alice',
      aud: ['shop-web', 'orders'],
      client_id: 'shop-web',
      azp: 'other',
      jti: 'j1',
      acr: 'mfa',
      scope: 'b a',
      act: { sub: 'gateway', act: { sub: 'front' } },
    }
    expect(read(claims)).toEqual({
      subject: 'alice',
      audience: ['shop-web', 'orders'],
      clientId: 'shop-web',
      tokenId: 'j1',
      authenticationContext: 'mfa',
      authenticatedAt: undefined,
      scope: ['a', 'b'],
      actor: { subject: 'gateway', actor: { subject: 'front' } },
    })
  })

  it.each(nobodys)('refuses a token whose sub, client_id, azp, jti or acr is %j', value => {
    for (const claim of ['sub', 'client_id', 'azp', 'jti', 'acr']) {
      expect(errorOf({ [claim]: value })).toContain(claim)
    }
  })

  it('refuses a token without sub', () => {
    expect(errorOf({ sub: undefined })).toContain('sub')
  })

  it('takes azp for the client only where there is no client_id', () => {
    expect(read({ azp: 'web' })?.clientId).toBe('web')
    expect(read({ azp: 'web', client_id: 'app' })?.clientId).toBe('app')
    expect(read({})?.clientId).toBeUndefined()
  })

  it.each([
    [{ jkt: 'x' }],
    [{ 'x5t#S256': 'x' }],
    [{ foo: 1 }],
    [{}],
    [null],
    ['x'],
    [{ jkt: 'x', 'x5t#S256': 'y' }],
  ])('refuses a sender-constrained token as a bearer token: cnf %j', cnf => {
    expect(errorOf({ cnf })).toContain('cnf')
  })

  describe('scope', () => {
    it.each([
      [{}, []],
      [{ scope: '' }, []],
      [{ scope: 'read write' }, ['read', 'write']],
      [{ scope: 'read read' }, ['read']],
      [{ scp: 'read write' }, ['read', 'write']],
      [{ scp: ['write', 'read'] }, ['read', 'write']],
      [{ scp: [] }, []],
      [{ scope: 'read', scp: ['read', 'admin'] }, ['read']],
      [{ scope: '', scp: ['admin'] }, []],
    ])('reads %j as %j', (claims, scope) => {
      expect(read(claims)?.scope).toEqual(scope)
    })

    it.each([
      { scope: ['read'] },
      { scope: 1 },
      { scope: null },
      { scope: {} },
      { scope: 'read\twrite' },
      { scope: 'read  write' },
      { scope: ' read' },
      { scope: 'rea"d' },
      { scope: 'réad' },
      { scp: 1 },
      { scp: [1] },
      { scp: ['read write'] },
      { scp: [''] },
      { scp: [['read']] },
      { scp: {} },
      { scope: 'read', scp: 1 },
    ])('refuses the malformed %j', claims => {
      expect(errorOf(claims)).toContain('scope')
    })
  })

  describe('act', () => {
    const chain = (depth: number): unknown =>
      depth === 0 ? undefined : { sub: `a${depth}`, act: chain(depth - 1) }

    it('reads a chain up to the limit and refuses a deeper one', () => {
      expect(read({ act: JSON.parse(JSON.stringify(chain(3))) })).toBeDefined()
      expect(errorOf({ act: JSON.parse(JSON.stringify(chain(4))) })).toContain('act')
      expect(errorOf({ act: JSON.parse(JSON.stringify(chain(50))) })).toContain('act')
    })

    it.each([
      null,
      'gateway',
      [],
      [{ sub: 'x' }],
      {},
      { sub: '' },
      { sub: 1 },
      { sub: 'a\nb' },
      { sub: 'a', act: 'b' },
    ])('refuses act %j', act => {
      expect(errorOf({ act })).toContain('act')
    })

    it('refuses a chain with a malformed actor further in', () => {
      expect(errorOf({ act: { sub: 'a', act: { iss: 'x' } } })).toContain('act')
      expect(errorOf({ act: { sub: 'a', act: { sub: 'x'.repeat(300) } } })).toContain('act')
    })

    it('accepts no actor where the limit is 0', () => {
      expect(errorOf({ act: { sub: 'a' } }, 0)).toContain('act')
      expect(errorOf({}, 0)).toBeUndefined()
    })
  })
})

describe('readAudience', () => {
  it.each([undefined, null, '', [], {}, 1, true, [['me']], [null, 'me'], ['me', ''], ['me', 1]])(
    'refuses %j',
    aud => {
      expect(readAudience(aud)).toBeUndefined()
    },
  )

  it('takes a string for one audience, with its spaces', () => {
    expect(readAudience('me other')).toEqual(['me other'])
  })

  it('reads up to 100 audiences', () => {
    const names = Array.from({ length: 101 }, (_, i) => `a${i}`)
    expect(readAudience(names.slice(0, 100))).toHaveLength(100)
    expect(readAudience(names)).toBeUndefined()
  })
})
