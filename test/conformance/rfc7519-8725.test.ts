import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import type { IssuerRules } from '../../src/config/sidecar-config.ts'
import { readCompactJws } from '../../src/tokens/compact-jws.ts'
import { createJwtVerifier } from '../../src/tokens/verify-jwt.ts'
import { createFakeHttpClient } from '../support/fake-http-client.ts'
import { rulesFor } from '../support/issuer-rules.ts'
import { createTestIssuer, encode, type TestIssuer } from '../support/tokens.ts'

let ec: TestIssuer
let rsa: TestIssuer

beforeAll(async () => {
  ec = await createTestIssuer()
  rsa = await createTestIssuer({ algorithm: 'RS256' })
})

/** Whether a token is accepted under the issuer's rules; a canary sees that nothing at all is fetched. */
function accepts(token: string, issuer: TestIssuer = ec, changes: Partial<IssuerRules> = {}): boolean {
  const client = createFakeHttpClient(() => ({ status: 404 }))
  const verifier = createJwtVerifier([rulesFor(issuer, changes)], {
    client,
    log: silentLog,
    tokenBytes: 16_384,
  })
  const result = verifier.verify(token, Date.now() / 1000)
  if (result instanceof Promise) throw new Error('a token with configured keys needs no waiting')
  expect(client.requests).toEqual([])
  if (!result.ok) expect(result.error.code).toBe('token.invalid')
  return result.ok
}

function payload(claims: Record<string, unknown> = {}): string {
  const now = Math.floor(Date.now() / 1000)
  return JSON.stringify({ iss: ec.issuer, sub: 'alice', aud: 'shop-web', iat: now, exp: now + 60, ...claims })
}

describe('RFC 7515: JSON Web Signature', () => {
  it('§5.2 verifies over the bytes received, whatever their white space', async () => {
    const header = '{ "alg" : "ES256",\n "kid":"k1", "typ":"at+jwt" }'
    const token = ec.signRaw(header, payload())
    expect(accepts(token)).toBe(true)
    const [, body, signature] = token.split('.')
    expect(accepts(`${encode(JSON.stringify(JSON.parse(header)))}.${body}.${signature}`)).toBe(false)
  })

  it('§4.1.11 refuses every crit, understood or not, well formed or not', async () => {
    for (const crit of [['exp'], [], 'exp', ['foo'], ['b64'], ['foo', 'foo'], null]) {
      expect(accepts(await ec.sign({}, { crit, foo: 1 }))).toBe(false)
    }
    expect(accepts(await ec.sign({}, { foo: 1 }))).toBe(true)
  })

  it('§4.1.2, §4.1.3, §4.1.5, §4.1.6 takes no key from the header and fetches none', async () => {
    const attacker = await createTestIssuer({ kid: 'attacker' })
    const places = [
      { jwk: attacker.jwk },
      { jku: 'https://attacker.example/jwks' },
      { jku: 'http://169.254.169.254/' },
      { x5u: 'file:///etc/passwd' },
      { x5c: ['MIIB'] },
      { x5t: 'AAAA' },
    ]
    for (const place of places) {
      expect(accepts(await attacker.sign({}, { kid: 'k1', ...place }))).toBe(false)
      expect(accepts(await attacker.sign({}, place))).toBe(false)
      expect(accepts(await attacker.sign({}, { kid: undefined, ...place }))).toBe(false)
      expect(accepts(await ec.sign({}, place))).toBe(true)
    }
  })

  it('§4.1.4 treats kid as an opaque name among the keys of the issuer', async () => {
    const hostile = [
      '../../dev/null',
      "' OR 1=1--",
      'k1\u0000',
      'k1\n',
      '__proto__',
      'constructor',
      'toString',
      'К1',
    ]
    for (const kid of [...hostile, '', 1, {}, ['k1'], 'k'.repeat(300)]) {
      expect(accepts(await ec.sign({}, { kid }))).toBe(false)
    }
  })

  it('§4.1.4 finds the only fitting key for a token without kid, and guesses among none', async () => {
    const token = await ec.sign({}, { kid: undefined })
    expect(accepts(token)).toBe(true)
    const second = await createTestIssuer({ kid: 'k2' })
    const jwks = { keys: [{ ...ec.jwk }, { ...second.jwk }] }
    expect(accepts(token, ec, { keys: { kind: 'inline', jwks } })).toBe(false)
    expect(accepts(await ec.sign(), ec, { keys: { kind: 'inline', jwks } })).toBe(true)
  })

  it('§7.1 refuses everything but three parts in their one spelling', async () => {
    const token = await ec.sign()
    const [header = '', body = '', signature = ''] = token.split('.')
    const others = [
      `${token}=`,
      `${token}==`,
      `${token} `,
      `${token}\n`,
      `${token}.`,
      `.${token}`,
      `${token}.${signature}`,
      `${header}.${body}`,
      `${header}.${body}.`,
      `${header}..${signature}`,
      `${header}. ${body}.${signature}`,
      JSON.stringify({ protected: header, payload: body, signature }),
    ]
    for (const other of others) expect(accepts(other)).toBe(false)
    expect(accepts(token)).toBe(true)
  })

  it('§7.1 refuses a signature that is spelt with other unused bits', async () => {
    const token = await ec.sign()
    const last = token.at(-1) ?? ''
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const twin = `${token.slice(0, -1)}${alphabet[alphabet.indexOf(last) + 1]}`
    expect(Buffer.from(twin.split('.')[2] ?? '', 'base64url')).toEqual(
      Buffer.from(token.split('.')[2] ?? '', 'base64url'),
    )
    expect(accepts(twin)).toBe(false)
  })
})

describe('RFC 7516: JSON Web Encryption', () => {
  it('refuses five parts without an attempt to decrypt', () => {
    for (const header of [
      { alg: 'dir', enc: 'A128GCM' },
      { alg: 'RSA1_5', enc: 'A128CBC-HS256' },
      { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2_147_483_647, p2s: 'AAAA' },
      { alg: 'dir', enc: 'A128GCM', zip: 'DEF' },
    ]) {
      const token = `${encode(JSON.stringify(header))}..AAAA.AAAA.AAAA`
      expect(readCompactJws(token, 8192)).toMatchObject({
        ok: false,
        error: expect.stringMatching('encrypted'),
      })
      expect(accepts(token)).toBe(false)
    }
  })
})

describe('RFC 7518: JSON Web Algorithms', () => {
  it('§3.1 compares alg exactly, and only with the allow-list', async () => {
    for (const alg of [
      'none',
      'None',
      'NONE',
      'nOnE',
      'es256',
      'ES256 ',
      'HS256',
      'RS1',
      'ES256K',
      'constructor',
      '',
    ]) {
      expect(accepts(await ec.sign({}, { alg }))).toBe(false)
    }
    expect(accepts(await ec.sign(), ec, { algorithms: ['RS256'] })).toBe(false)
    expect(accepts(await ec.sign(), ec, { algorithms: ['RS256', 'ES256'] })).toBe(true)
  })

  it('§3.6 refuses an unsecured token, with and without a signature part', () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
      const text = `${encode(JSON.stringify({ alg, typ: 'at+jwt', kid: 'k1' }))}.${encode(payload())}`
      for (const token of [text, `${text}.`, `${text}.AAAA`]) expect(accepts(token)).toBe(false)
    }
  })

  it('§3.4 refuses ECDSA signatures that are not two numbers in range of the right size', async () => {
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
    const token = await ec.sign()
    const input = token.slice(0, token.lastIndexOf('.'))
    const valid = Buffer.from(token.slice(input.length + 1), 'base64url')
    const zero = Buffer.alloc(32)
    const bad = [
      Buffer.alloc(64),
      Buffer.concat([order, order]),
      Buffer.concat([zero, valid.subarray(32)]),
      Buffer.concat([valid.subarray(0, 32), zero]),
      Buffer.concat([valid.subarray(0, 32), order]),
      Buffer.alloc(64, 0xff),
      valid.subarray(0, 63),
      Buffer.concat([valid, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), valid]),
      sign('sha256', Buffer.from(input), { key: ec.privateKey, dsaEncoding: 'der' }),
    ]
    for (const signature of bad) expect(accepts(`${input}.${signature.toString('base64url')}`)).toBe(false)
    expect(accepts(token)).toBe(true)
  })

  it('§3.3, §3.5 refuses RSA signatures of another length or scheme', async () => {
    const token = await rsa.sign()
    const input = token.slice(0, token.lastIndexOf('.'))
    const valid = Buffer.from(token.slice(input.length + 1), 'base64url')
    for (const signature of [valid.subarray(1), Buffer.concat([Buffer.alloc(1), valid]), Buffer.alloc(256)]) {
      expect(accepts(`${input}.${signature.toString('base64url')}`, rsa)).toBe(false)
    }
    expect(accepts(token, rsa)).toBe(true)
  })

  it('§3.5 refuses PSS with another salt length than the hash', async () => {
    const pss = await createTestIssuer({ algorithm: 'PS256' })
    const input = (await pss.sign()).split('.').slice(0, 2).join('.')
    const padding = 6
    for (const [saltLength, verdict] of [
      [32, true],
      [0, false],
      [20, false],
      [64, false],
    ] as const) {
      const signature = sign('sha256', Buffer.from(input), { key: pss.privateKey, padding, saltLength })
      expect(accepts(`${input}.${signature.toString('base64url')}`, pss)).toBe(verdict)
    }
  })

  it('RFC 8037 §3.1 refuses an Ed25519 signature with S + L, and the identity key with its constant signature', async () => {
    const ed = await createTestIssuer({ algorithm: 'EdDSA' })
    const token = await ed.sign()
    const input = token.slice(0, token.lastIndexOf('.'))
    const signature = Buffer.from(token.slice(input.length + 1), 'base64url')
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order
    const big = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
    expect(accepts(token, ed)).toBe(true)
    const twin = Buffer.concat([signature.subarray(0, 32), big]).toString('base64url')
    expect(accepts(`${input}.${twin}`, ed)).toBe(false)

    const identity = Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: identity.toString('base64url'), kid: 'k1' }
    const constant = Buffer.concat([identity, Buffer.alloc(32)]).toString('base64url')
    const rules = rulesFor(ed, { keys: { kind: 'inline', jwks: { keys: [jwk] } } })
    const verifier = createJwtVerifier([rules], {
      client: createFakeHttpClient(() => ({ status: 404 })),
      log: silentLog,
      tokenBytes: 16_384,
    })
    expect(await verifier.verify(`${input}.${constant}`, Date.now() / 1000)).toMatchObject({ ok: false })
  })
})

describe('RFC 7519: JSON Web Token', () => {
  it('§4 refuses a token with a claim twice', () => {
    const header = '{"alg":"ES256","kid":"k1","typ":"at+jwt"}'
    const text = payload()
    expect(accepts(ec.signRaw(header, text))).toBe(true)
    for (const extra of [
      '"sub":"admin"',
      '"\\u0073ub":"admin"',
      '"aud":"shop-web"',
      `"iss":"${ec.issuer}"`,
    ]) {
      expect(accepts(ec.signRaw(header, text.replace('{', `{${extra},`)))).toBe(false)
    }
  })

  it('§4.1.1 compares iss exactly', async () => {
    const { issuer } = ec
    const others = [
      `${issuer}/`,
      issuer.slice(0, -1),
      issuer.toUpperCase(),
      issuer.replace('https', 'http'),
      issuer.replace('.com', '.com:443'),
      issuer.replace('.com', '.com.evil.example'),
      `https://evil.example/${issuer}`,
      `${issuer}\u0000`,
      issuer.replace('login', 'lоgin'),
      [issuer],
      { issuer },
      ['https://evil.example', issuer],
      0,
      null,
      undefined,
      '__proto__',
    ]
    for (const iss of others) expect(accepts(await ec.sign({ iss }))).toBe(false)
    expect(accepts(await ec.sign())).toBe(true)
  })

  it('§4.1.2 requires a typed sub', async () => {
    for (const sub of [undefined, '', 1, {}, null, ['alice'], 'a\nb', 'x'.repeat(257)]) {
      expect(accepts(await ec.sign({ sub }))).toBe(false)
    }
  })

  it('§4.1.3 accepts a token that names an own audience exactly, and no other', async () => {
    const mine = { audience: ['shop-web', 'orders'] }
    const others = [
      undefined,
      '',
      [],
      {},
      1,
      ['other'],
      'shop',
      'shop-web-x',
      'Shop-web',
      'shop-web/',
      'shop-web other',
      [['shop-web']],
      [null, 'shop-web'],
      Array.from({ length: 1000 }, () => 'shop-web'),
    ]
    for (const aud of others) expect(accepts(await ec.sign({ aud }), ec, mine)).toBe(false)
    for (const aud of ['shop-web', 'orders', ['orders'], ['other', 'shop-web']]) {
      expect(accepts(await ec.sign({ aud }), ec, mine)).toBe(true)
    }
  })

  it('§4.1.4 requires exp as a number in the future', async () => {
    const now = Date.now() / 1000
    const header = '{"alg":"ES256","kid":"k1","typ":"at+jwt"}'
    for (const exp of [
      undefined,
      null,
      true,
      `${now + 60}`,
      [now + 60],
      {},
      -1,
      0,
      now,
      now - 1,
      2 ** 53 + 2,
    ]) {
      expect(accepts(await ec.sign({ exp }))).toBe(false)
    }
    for (const exp of ['1e999', 'NaN', '1e308', '0x7fffffff']) {
      expect(accepts(ec.signRaw(header, payload({ exp: 1 }).replace('"exp":1', `"exp":${exp}`)))).toBe(false)
    }
    expect(accepts(await ec.sign({ exp: now + 60.5 }))).toBe(true)
  })

  it('§4.1.5, §4.1.6 checks nbf and iat, within the leeway only', async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const claims of [
      { nbf: now + 60 },
      { nbf: `${now}` },
      { iat: now + 3600 },
      { iat: `${now}` },
      { iat: 0 },
    ]) {
      expect(accepts(await ec.sign(claims))).toBe(false)
    }
    expect(accepts(await ec.sign({ nbf: now + 60, iat: now + 60 }), ec, { leewaySeconds: 90 })).toBe(true)
    expect(accepts(await ec.sign({ exp: now - 60, iat: now - 90 }), ec, { leewaySeconds: 90 })).toBe(true)
    expect(accepts(await ec.sign({ exp: now - 120, iat: now - 150 }), ec, { leewaySeconds: 90 })).toBe(false)
  })

  it('§5.2 refuses a nested token', async () => {
    const inner = await ec.sign()
    expect(accepts(ec.signRaw('{"alg":"ES256","kid":"k1","typ":"at+jwt","cty":"JWT"}', inner))).toBe(false)
    expect(accepts(ec.signRaw('{"alg":"ES256","kid":"k1","typ":"at+jwt"}', inner))).toBe(false)
    expect(accepts(await ec.sign({}, { cty: 'JWT' }))).toBe(false)
  })

  it('§7.2 refuses header and claims that are not one JSON object', () => {
    const header = '{"alg":"ES256","kid":"k1","typ":"at+jwt"}'
    const deep = `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
    for (const text of ['[]', '"x"', '1', 'null', '', '{}', `${payload()}x`, `\ufeff${payload()}`, deep]) {
      expect(accepts(ec.signRaw(header, text), ec)).toBe(false)
      expect(accepts(ec.signRaw(text, payload()), ec)).toBe(false)
    }
  })

  it('keeps claims named like object members as plain data', async () => {
    const header = '{"alg":"ES256","kid":"k1","typ":"at+jwt"}'
    const text = payload().replace('{', '{"__proto__":{"admin":true},"constructor":1,"hasOwnProperty":2,')
    const verifier = createJwtVerifier([rulesFor(ec)], {
      client: createFakeHttpClient(() => ({ status: 404 })),
      log: silentLog,
      tokenBytes: 16_384,
    })
    const result = await verifier.verify(ec.signRaw(header, text), Date.now() / 1000)
    if (!result.ok) throw new Error(result.error.detail)
    expect(result.value.claims.admin).toBeUndefined()
    expect(result.value.claims.constructor).toBe(1)
    expect(result.value.claims.toString).toBeUndefined()
  })
})

describe('RFC 8725: JWT best current practices', () => {
  it('§3.1 refuses a MAC made with the public key in any of its spellings', () => {
    for (const issuer of [ec, rsa]) {
      const key = createPublicKey(issuer.privateKey)
      for (const secret of spellings(key, issuer)) {
        for (const alg of ['HS256', issuer.algorithm]) {
          const text = `${encode(JSON.stringify({ alg, kid: 'k1', typ: 'at+jwt' }))}.${encode(payload())}`
          const mac = createHmac('sha256', secret).update(text).digest('base64url')
          expect(accepts(`${text}.${mac}`, issuer)).toBe(false)
        }
      }
    }
  })

  it('§3.1 lets a key serve its own algorithm only', async () => {
    const allowed = { algorithms: ['RS256', 'PS256', 'RS512', 'ES256', 'ES384'] } as const
    const input = (alg: string): string =>
      `${encode(JSON.stringify({ alg, kid: 'k1', typ: 'at+jwt' }))}.${encode(payload({ iss: rsa.issuer }))}`
    const ps256 = input('PS256')
    const pss = sign('sha256', Buffer.from(ps256), { key: rsa.privateKey, padding: 6, saltLength: 32 })
    expect(accepts(`${ps256}.${pss.toString('base64url')}`, rsa, allowed)).toBe(false)
    const rs512 = input('RS512')
    const long = sign('sha512', Buffer.from(rs512), rsa.privateKey)
    expect(accepts(`${rs512}.${long.toString('base64url')}`, rsa, allowed)).toBe(false)
    expect(accepts(await ec.sign({}, { alg: 'ES384' }), ec, allowed)).toBe(false)
    expect(accepts(await ec.sign({}, { alg: 'RS256' }), ec, allowed)).toBe(false)
    expect(accepts(await rsa.sign(), rsa, allowed)).toBe(true)
  })

  it('§3.5 takes no weak key for a key', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256' }
    const text = `${encode('{"alg":"RS256","kid":"k1","typ":"at+jwt"}')}.${encode(payload())}`
    const token = `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`
    const rules = rulesFor(rsa, { keys: { kind: 'inline', jwks: { keys: [jwk] } } })
    const verifier = createJwtVerifier([rules], {
      client: createFakeHttpClient(() => ({ status: 404 })),
      log: silentLog,
      tokenBytes: 16_384,
    })
    expect(verifier.verify(token, Date.now() / 1000)).toMatchObject({ ok: false })
  })

  it("§3.8 uses an issuer's own keys only", async () => {
    const other = await createTestIssuer({ issuer: 'https://other.example' })
    expect(accepts(await other.sign({ iss: ec.issuer }))).toBe(false)
  })

  it('§3.10 caps size before it computes', async () => {
    expect(accepts(await ec.sign({ pad: 'x'.repeat(10_000) }))).toBe(true)
    expect(accepts(await ec.sign({ pad: 'x'.repeat(1_000_000) }))).toBe(false)
  })

  it('§3.11 tells kinds of token apart by typ', async () => {
    for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt'])
      expect(accepts(await ec.sign({}, { typ }))).toBe(true)
    for (const typ of [
      'JWT',
      'logout+jwt',
      'dpop+jwt',
      'application/application/at+jwt',
      'at+jwt;v=1',
      ['at+jwt'],
    ]) {
      expect(accepts(await ec.sign({}, { typ }))).toBe(false)
    }
  })

  it('§3.12 tells kinds of token apart by their claims where typ says nothing', async () => {
    const lenient = { types: ['at+jwt', 'jwt', 'none'] }
    const ofOthers = [
      { nonce: 'n', at_hash: 'h' },
      { nonce: 'n' },
      { typ: 'ID' },
      { typ: 'Refresh' },
      { typ: 'Logout' },
      { token_use: 'id' },
      { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
    ]
    for (const typ of ['JWT', undefined]) {
      for (const claims of ofOthers) expect(accepts(await ec.sign(claims, { typ }), ec, lenient)).toBe(false)
      expect(accepts(await ec.sign({ typ: 'Bearer' }, { typ }), ec, lenient)).toBe(true)
    }
  })
})

describe('RFC 7800: proof-of-possession keys', () => {
  it('refuses a token with cnf as a bearer token, whatever its members', async () => {
    for (const cnf of [{ jkt: 'x' }, { 'x5t#S256': 'x' }, { jwk: {} }, { foo: 1 }, {}, null, 'x']) {
      expect(accepts(await ec.sign({ cnf }))).toBe(false)
    }
  })
})

describe('RFC 8693 §4: claims of delegation', () => {
  it('reads scope as a set of exact words', async () => {
    for (const scope of [['read'], 1, null, 'read\twrite', 'read  write']) {
      expect(accepts(await ec.sign({ scope }))).toBe(false)
    }
    expect(accepts(await ec.sign({ scope: 'read write' }))).toBe(true)
    expect(accepts(await ec.sign({ scope: undefined, scp: ['read'] }))).toBe(true)
  })

  it('refuses an act that is malformed or too deep, rather than drop it', async () => {
    let act: unknown
    for (let depth = 0; depth < 5; depth++) act = { sub: `a${depth}`, act }
    for (const bad of ['gateway', [], {}, { sub: '' }, { sub: 1 }, { iss: 'x' }, act]) {
      expect(accepts(await ec.sign({ act: bad }))).toBe(false)
    }
    expect(accepts(await ec.sign({ act: { sub: 'a', act: { sub: 'b' } } }))).toBe(true)
  })
})

function spellings(key: KeyObject, issuer: TestIssuer): (string | Buffer)[] {
  const pem = key.export({ type: 'spki', format: 'pem' }).toString()
  const der = key.export({ type: 'spki', format: 'der' })
  const { n, x } = issuer.jwk
  return [
    pem,
    pem.trimEnd(),
    ` ${pem}`,
    `\n${pem}`,
    der,
    JSON.stringify(issuer.jwk),
    Buffer.from(n ?? x ?? '', 'base64url'),
  ]
}
