import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AttackedHop,
  headerTooLarge,
  invalidToken,
  issuerItem,
  malformedCredentials,
  startAttackedHop,
} from '../support/attacked-hop.ts'
import { startCanary } from '../support/canary.ts'
import { canMakeCertificates, createCertificate } from '../support/certificate.ts'
import { decodeText, headerText, type JwsTexts, signBytes, signInput, textsOf } from '../support/jws-text.ts'
import { sendRaw } from '../support/raw-client.ts'
import { createTestIssuer, encode, type TestIssuer } from '../support/tokens.ts'

/**
 * Family A: a token is three texts, and every library that read them in more than one way was broken by it. The
 * attacker writes the header, chooses the algorithm, the key and the spelling, and hopes that the verifier believes
 * what it is told. Nothing of it may pass, nothing may be fetched or computed because of it, and the twin beside each
 * attack, the same token without it, must pass.
 */

let hop: AttackedHop
/** The usual issuer: one ES256 key. */
let login: TestIssuer
/** One RSA key, for RS256 although the issuer may use PS256 as well. */
let rsa: TestIssuer
/** One RSA key that names no algorithm, of an issuer that may use RS256 only. */
let rs256: TestIssuer
/** One P-256 key, of an issuer that may use all of ES256, ES384 and ES512. */
let ecdsa: TestIssuer
let ed: TestIssuer

beforeAll(async () => {
  login = await createTestIssuer({ issuer: 'https://login.test' })
  rsa = await createTestIssuer({ issuer: 'https://rsa.test', algorithm: 'RS256', kid: 'rsa-1' })
  rs256 = await createTestIssuer({ issuer: 'https://rs256.test', algorithm: 'RS256', kid: 'rs256-1' })
  ecdsa = await createTestIssuer({ issuer: 'https://ecdsa.test', kid: 'ecdsa-1' })
  ed = await createTestIssuer({ issuer: 'https://ed.test', algorithm: 'EdDSA', kid: 'ed-1' })
  const { alg: _, ...anyAlgorithm } = rs256.jwk
  hop = await startAttackedHop({
    issuer: login,
    issuerRules: [
      issuerItem(rsa, rsa.jwks.keys),
      issuerItem(rs256, [anyAlgorithm], ', algorithms: [RS256]'),
      issuerItem(ecdsa, ecdsa.jwks.keys, ', algorithms: [ES256, ES384, ES512]'),
      issuerItem(ed, ed.jwks.keys),
    ].join(''),
  })
})
afterAll(() => hop.close())

/** A token that is good in every respect, unless changed. */
function good(by: TestIssuer = login, header: Record<string, unknown> = {}, claims = {}): Promise<string> {
  return by.sign({ scope: 'orders:read', ...claims }, header)
}

const payloadOf = async (by: TestIssuer = login): Promise<string> => decodeText(textsOf(await good(by))[1])

/** Signs a signing input as it is, with the usual issuer's key. */
const signed = (input: string): string => signInput(input, login.privateKey)

/** The positive twin: the same issuer's token without the attack. */
const expectTwin = async (by: TestIssuer = login) => hop.expectForwarded(await good(by))

describe('A01 to A06: the header chooses how it is verified', () => {
  it('A01 refuses a token that says it is not signed', async () => {
    const [, payload] = textsOf(await good())
    await hop.expectDenied(`eyJhbGciOiJub25lIn0.${payload}.`)
    await expectTwin()
  })

  it.each(['none', 'None', 'NONE', 'nOnE'])(
    'A02 refuses alg %s, with any signature or without',
    async alg => {
      const [, payload, signature] = textsOf(await good())
      const header = encode(headerText({ alg }))
      for (const last of ['', signature, 'AAAA', encode('none')])
        await hop.expectDenied(`${header}.${payload}.${last}`)
      await expectTwin()
    },
  )

  it.each([undefined, '', null, [], ['ES256'], 1, {}, true].map(alg => ({ alg })))(
    'A03 refuses alg $alg',
    async ({ alg }) => {
      await hop.expectDenied(await good(login, { alg }))
      await expectTwin()
    },
  )

  it.each<[string, () => TestIssuer]>([
    ['EC', () => login],
    ['RSA', () => rsa],
    ['Ed25519', () => ed],
  ])('A04 refuses an HMAC keyed with the public %s key, however that is written', async (_kind, of) => {
    const issuer = of()
    const publicKey = createPublicKey({ key: issuer.jwk, format: 'jwk' })
    for (const secret of spellingsOf(publicKey, issuer)) {
      for (const bits of [256, 384, 512]) {
        const header = encode(headerText({ alg: `HS${bits}`, kid: issuer.kid }))
        const input = `${header}.${textsOf(await good(issuer))[1]}`
        const mac = createHmac(`sha${bits}`, secret).update(input).digest('base64url')
        await hop.expectDenied(`${input}.${mac}`)
      }
    }
    await expectTwin(issuer)
  })

  it('A05 refuses an algorithm that does not fit the key under that kid', async () => {
    const forger = await createTestIssuer({ issuer: login.issuer, algorithm: 'RS256', kid: login.kid })
    await hop.expectDenied(await good(forger))
    await expectTwin()
  })

  it.each(['ES384', 'ES512'] as const)(
    'A05 refuses %s with a P-256 key where the issuer may use it',
    async alg => {
      const [, payload] = textsOf(await good(ecdsa))
      const input = `${encode(headerText({ alg, kid: ecdsa.kid }))}.${payload}`
      const key = { key: ecdsa.privateKey, dsaEncoding: 'ieee-p1363' } as const
      const half = sign(alg === 'ES384' ? 'sha384' : 'sha512', Buffer.from(input), key)
      for (const size of [64, 96, 132]) {
        const signature = Buffer.concat([half, Buffer.alloc(Math.max(0, size - 64))])
        await hop.expectDenied(`${input}.${signature.toString('base64url')}`)
      }
      await expectTwin(ecdsa)
    },
  )

  it('A05 refuses PS256 where only RS256 is allowed, though the key fits', async () => {
    await hop.expectDenied(await signPss(rs256))
    await expectTwin(rs256)
  })

  it.each(['RS1', 'ES256K', 'HS256', 'Ed448', 'RSA-OAEP', 'dir'])(
    'A05 refuses alg %s, which nobody listed',
    async alg => {
      for (const issuer of [login, rsa, ed]) await hop.expectDenied(await good(issuer, { alg }))
      await expectTwin()
    },
  )

  it('A06 refuses PS256 with a key that is for RS256, though the issuer may use both', async () => {
    await hop.expectDenied(await signPss(rsa))
    await expectTwin(rsa)
  })
})

describe('A07 to A11: signatures and keys that fit everything', () => {
  const n = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const zero = Buffer.alloc(32)
  const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])])
  const most = Buffer.alloc(32, 0xff)

  it.each<[string, Buffer, Buffer]>([
    ['r = s = 0', zero, zero],
    ['r = 0', zero, one],
    ['s = 0', one, zero],
    ['r = s = n', n, n],
    ['r = n', n, one],
    ['s = n', one, n],
    ['r = s = 1', one, one],
    ['r and s above n', most, most],
  ])('A07 refuses a psychic signature: %s', async (_what, r, s) => {
    const [header, payload] = textsOf(await good())
    await hop.expectDenied(`${header}.${payload}.${Buffer.concat([r, s]).toString('base64url')}`)
    await expectTwin()
  })

  it('A08 refuses an ECDSA signature in DER, or of any length but 64 bytes', async () => {
    const [header, payload, signature] = textsOf(await good())
    const input = `${header}.${payload}`
    const raw = Buffer.from(signature, 'base64url')
    const der = sign('sha256', Buffer.from(input), { key: login.privateKey, dsaEncoding: 'der' })
    const padded = Buffer.concat([Buffer.alloc(1), raw.subarray(0, 32), Buffer.alloc(1), raw.subarray(32)])
    const others = [
      der,
      raw.subarray(0, 63),
      Buffer.concat([raw, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), raw]),
      padded,
      Buffer.alloc(0),
    ]
    for (const other of others) await hop.expectDenied(`${input}.${other.toString('base64url')}`)
    await hop.expectForwarded(`${input}.${signature}`)
  })

  it('A09 takes the twin that anybody can make of an ECDSA signature for the same token', async () => {
    const token = await good()
    const [header, payload, signature] = textsOf(token)
    const raw = Buffer.from(signature, 'base64url')
    const order = BigInt(`0x${n.toString('hex')}`)
    const otherS = (order - BigInt(`0x${raw.toString('hex', 32)}`)).toString(16).padStart(64, '0')
    const twin = `${header}.${payload}.${Buffer.concat([raw.subarray(0, 32), Buffer.from(otherS, 'hex')]).toString('base64url')}`
    const [events, exchanges] = [hop.lines.length, hop.server.tokenRequests.length]

    await hop.expectForwarded(token)
    await hop.expectForwarded(twin)
    expect(hop.server.tokenRequests).toHaveLength(exchanges + 1)
    const fingerprint = (event: Record<string, unknown>) =>
      (event['inbound'] as { fingerprint: string }).fingerprint
    expect(fingerprint(await hop.event(events + 1))).toBe(fingerprint(await hop.event(events)))

    // What the upstream refuses is dropped for the one as well as for the other.
    hop.upstream.enqueue('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n')
    expect((await hop.get(`Bearer ${twin}`)).status).toBe(401)
    await hop.expectForwarded(token)
    expect(hop.server.tokenRequests).toHaveLength(exchanges + 2)
  })

  it('A11 refuses an Ed25519 signature whose second half is not reduced (S + L)', async () => {
    const token = await good(ed)
    const [header, payload, signature] = textsOf(token)
    const raw = Buffer.from(signature, 'base64url')
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${Buffer.from(raw.subarray(32)).reverse().toString('hex')}`) + order
    const unreduced = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
    const other = Buffer.concat([raw.subarray(0, 32), unreduced]).toString('base64url')
    await hop.expectDenied(`${header}.${payload}.${other}`)
    await hop.expectForwarded(token)
  })
})

describe('A13 to A17: the header asks for something', () => {
  it.each(
    [['exp'], [], 'exp', ['foo'], ['absent'], ['foo', 'foo'], ['alg'], null, {}].map(crit => ({ crit })),
  )('A13 refuses crit $crit', async ({ crit }) => {
    await hop.expectDenied(await good(login, { crit, foo: 1 }))
    await hop.expectForwarded(await good(login, { foo: 1 }))
  })

  it.each([
    { b64: false, crit: ['b64'] },
    { b64: false },
    { b64: 'false', crit: ['b64'] },
    { b64: true, crit: ['b64'] },
    { b64: true },
  ])('A14 refuses a header with %j', async header => {
    await hop.expectDenied(await good(login, header))
    await expectTwin()
  })

  it.each(['raw.payload', 'raw', '{}'])('A14 refuses the unencoded payload %s', async payload => {
    const header = encode(headerText({ b64: false, crit: ['b64'] }))
    const denial = payload === '{}' ? malformedCredentials : invalidToken
    await hop.expectDenied(signed(`${header}.${payload}`), denial)
    await expectTwin()
  })

  it.each([{ kid: 'k1' }, { kid: undefined }, { kid: 'attacker' }])(
    'A15 takes no key from the token, header %j',
    async header => {
      const attacker = await createTestIssuer({ issuer: login.issuer, kid: 'attacker' })
      await hop.expectDenied(await good(attacker, { ...header, jwk: attacker.jwk }))
      await hop.expectForwarded(await good(login, { jwk: attacker.jwk }))
    },
  )

  it('A16 fetches nothing from where the token says', async () => {
    const attacker = await createTestIssuer({ issuer: login.issuer, kid: 'attacker' })
    const canary = await startCanary(JSON.stringify(attacker.jwks))
    const host = `127.0.0.1:${canary.port}`
    const addresses = [
      `http://${host}/jwks`,
      `https://${host}/jwks`,
      `http://login.test@${host}/jwks`,
      `http://${host}/login.test/jwks`,
      `//${host}/jwks`,
      'http://169.254.169.254/latest/meta-data/',
      'https://login.test.evil.invalid/jwks',
      'file:///etc/passwd',
    ]
    for (const address of addresses) {
      for (const name of ['jku', 'x5u']) {
        await hop.expectDenied(await good(attacker, { [name]: address }))
        await hop.expectDenied(await good(attacker, { [name]: address, kid: 'k1' }))
        await hop.expectForwarded(await good(login, { [name]: address }))
      }
    }
    expect(canary.connections()).toBe(0)
    await canary.close()
  })

  it.each([
    { x5c: [randomBytes(300).toString('base64')] },
    { x5t: encode('not the thumbprint') },
    { 'x5t#S256': encode('not the thumbprint') },
    { x5c: 'no list' },
  ])('A17 takes no certificate from the token', async header => {
    const attacker = await createTestIssuer({ issuer: login.issuer, kid: 'k1' })
    await hop.expectDenied(await good(attacker, header))
    await hop.expectForwarded(await good(login, header))
  })

  it.skipIf(!canMakeCertificates)(
    'A17 takes no key from a certificate in the token (with openssl)',
    async () => {
      const { key, cert } = createCertificate('DNS:login.test')
      const x5c = [cert.replaceAll(/-----[^-]+-----|\s/g, '')]
      for (const kid of ['k1', undefined]) {
        const input = `${encode(headerText({ kid, x5c }))}.${encode(await payloadOf())}`
        await hop.expectDenied(signInput(input, createPrivateKey(key)))
        await hop.expectForwarded(signed(input))
      }
    },
  )
})

describe('A21 to A29: texts that readers disagree on', () => {
  it.each<[string, string]>([
    ['alg, the good one first', '{"alg":"ES256","alg":"none","kid":"k1","typ":"at+jwt"}'],
    ['alg, the good one last', '{"alg":"none","alg":"ES256","kid":"k1","typ":"at+jwt"}'],
    ['alg in another spelling', '{"alg":"ES256","\\u0061lg":"none","kid":"k1","typ":"at+jwt"}'],
    ['kid', '{"alg":"ES256","kid":"k1","kid":"k2","typ":"at+jwt"}'],
    ['a member that nobody reads', '{"alg":"ES256","kid":"k1","typ":"at+jwt","x":1,"x":1}'],
  ])('A21 refuses a header that says two things: %s', async (_what, header) => {
    await hop.expectDenied(login.signRaw(header, await payloadOf()))
    await expectTwin()
  })

  it.each(['"sub":"admin"', '"aud":"billing"', '"\\u0073ub":"admin"', '"exp":9999999999', '"su\\u0062":"x"'])(
    'A22 refuses claims that say two things: %s twice',
    async second => {
      const payload = await payloadOf()
      await hop.expectDenied(login.signRaw(headerText(), `${payload.slice(0, -1)},${second}}`))
      await hop.expectDenied(login.signRaw(headerText(), `{${second},${payload.slice(1)}`))
      await hop.expectForwarded(login.signRaw(headerText(), payload))
    },
  )

  it('A22 refuses a name that repeats deep inside', async () => {
    const payload = await payloadOf()
    const twice = `${payload.slice(0, -1)},"roles":{"admin":false,"admin":true}}`
    await hop.expectDenied(login.signRaw(headerText(), twice))
    await hop.expectForwarded(login.signRaw(headerText(), twice.replace('"admin":true', '"user":true')))
  })

  it.each<[string, (payload: string) => string | Buffer]>([
    ['is an array', payload => `[${payload}]`],
    ['is an empty array', () => '[]'],
    ['is a string', () => '"x"'],
    ['is a number', () => '1'],
    ['is null', () => 'null'],
    ['is nothing', () => ''],
    ['has garbage behind', payload => `${payload}x`],
    ['has a second value behind', payload => `${payload}${payload}`],
    ['has a byte order mark', payload => `\ufeff${payload}`],
    ['is UTF-16', payload => Buffer.from(payload, 'utf16le')],
    ['has invalid UTF-8', payload => withMember(payload, Buffer.from([0xff]))],
    ['has an overlong form', payload => withMember(payload, Buffer.from([0xc0, 0xaf]))],
    ['has a lone surrogate in bytes', payload => withMember(payload, Buffer.from([0xed, 0xa0, 0x80]))],
    ['has a lone surrogate escaped', payload => withMember(payload, Buffer.from('\\ud800'))],
    ['has a NUL', payload => withMember(payload, Buffer.from([0]))],
    ['nests deeply', payload => withValue(payload, `${'['.repeat(1500)}${']'.repeat(1500)}`)],
    ['nests and does not end', payload => `${payload.slice(0, -1)},"x":${'{"a":'.repeat(600)}`],
    ['has a number that is none', payload => withValue(payload, 'NaN')],
    ['has a number too large', payload => withValue(payload, '1e400')],
    ['has a comment', payload => `/* */${payload}`],
    ['has single quotes', payload => payload.replaceAll('"', "'")],
    ['has a trailing comma', payload => `${payload.slice(0, -1)},}`],
  ])('A23 refuses a token whose payload %s', async (_what, change) => {
    const payload = await payloadOf()
    await hop.expectDenied(signBytes(headerText(), change(payload), login.privateKey))
    await hop.expectForwarded(signBytes(headerText(), payload, login.privateKey))
  })

  it.each<[string, (header: string) => string | Buffer]>([
    ['is an array', header => `[${header}]`],
    ['is a string', header => JSON.stringify(header)],
    ['is null', () => 'null'],
    ['has garbage behind', header => `${header}x`],
    ['has a byte order mark', header => `\ufeff${header}`],
    ['has invalid UTF-8', header => withMember(header, Buffer.from([0xff]))],
    ['nests deeply', header => withValue(header, `${'['.repeat(1500)}${']'.repeat(1500)}`)],
  ])('A23 refuses a token whose header %s', async (_what, change) => {
    const payload = await payloadOf()
    await hop.expectDenied(signBytes(change(headerText()), payload, login.privateKey))
    await hop.expectForwarded(signBytes(headerText(), payload, login.privateKey))
  })

  it('A23 takes a member named __proto__ for data', async () => {
    const payload = await payloadOf()
    const polluting = `${payload.slice(0, -1)},"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}`
    await hop.expectForwarded(login.signRaw(headerText(), polluting))
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
    await hop.expectDenied(
      login.signRaw('{"__proto__":{"alg":"ES256"},"kid":"k1","typ":"at+jwt"}', await payloadOf()),
    )
  })

  it.each<[string, (parts: JwsTexts) => string[]]>([
    ['padding at the end', ([h, p, s]) => [h, p, `${s}=`]],
    ['more padding at the end', ([h, p, s]) => [h, p, `${s}==`]],
    ['plus', ([h, p, s]) => [h, p, `+${s.slice(1)}`]],
    ['slash', ([h, p, s]) => [h, p, `/${s.slice(1)}`]],
    ['a letter too many', ([h, p, s]) => [h, p, `${s}AAA`]],
    ['unused bits in the signature', ([h, p, s]) => [h, p, withUnusedBits(s)]],
  ])('A24 refuses another spelling of a good token: %s', async (_what, change) => {
    const token = await good()
    await hop.expectDenied(change(textsOf(token)).join('.'))
    await hop.expectForwarded(token)
  })

  it('A24 refuses unused bits in header and payload, even when they are signed', async () => {
    let payload = await payloadOf()
    while (Buffer.byteLength(payload) % 3 === 0) payload += ' '
    let header = headerText()
    while (Buffer.byteLength(header) % 3 === 0) header += ' '
    const [h, p] = [encode(header), encode(payload)]
    await hop.expectForwarded(signed(`${h}.${p}`))
    await hop.expectDenied(signed(`${h}.${withUnusedBits(p)}`))
    await hop.expectDenied(signed(`${withUnusedBits(h)}.${p}`))
  })

  it.each<[string, (parts: JwsTexts) => string]>([
    ['padding inside', ([h, p, s]) => `${h}=.${p}.${s}`],
    ['a blank inside', ([h, p, s]) => `${h}.${p} .${s}`],
    ['a tab inside', ([h, p, s]) => `${h}.${p}\t.${s}`],
    ['a byte above ASCII', ([h, p, s]) => `${h}.${p}.${s}\xe9`],
    ['a comma', ([h, p, s]) => `${h},${p},${s}`],
    ['a JSON serialisation', ([h, p, s]) => JSON.stringify({ protected: h, payload: p, signature: s })],
    ['quotes', parts => `"${parts.join('.')}"`],
  ])('A24 and A25 answer 400 to what is no bearer token at all: %s', async (_what, change) => {
    const token = await good()
    await hop.expectDenied(change(textsOf(token)), malformedCredentials)
    await hop.expectForwarded(token)
  })

  it.each<[string, (parts: JwsTexts) => string[]]>([
    ['one part', ([h]) => [h]],
    ['two parts', ([h, p]) => [h, p]],
    ['four parts', ([h, p, s]) => [h, p, s, s]],
    ['six parts', ([h, p, s]) => [h, p, s, h, p, s]],
    ['a part in front', ([h, p, s]) => ['', h, p, s]],
    ['a part behind', ([h, p, s]) => [h, p, s, '']],
    ['three empty parts', () => ['', '', '']],
    ['an empty header', ([, p, s]) => ['', p, s]],
    ['an empty payload', ([h, , s]) => [h, '', s]],
    ['an empty signature', ([h, p]) => [h, p, '']],
    ['3,000 parts', () => new Array<string>(3000).fill('')],
  ])('A25 refuses %s', async (_what, change) => {
    const token = await good()
    await hop.expectDenied(change(textsOf(token)).join('.'))
    await hop.expectForwarded(token)
  })

  it.each([
    { alg: 'dir', enc: 'A256GCM' },
    { alg: 'RSA1_5', enc: 'A128CBC-HS256' },
    { alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', p2c: 2147483647, p2s: 'AAAA' },
    { alg: 'dir', enc: 'A256GCM', zip: 'DEF' },
    { alg: 'ECDH-ES', enc: 'A256GCM', epk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } },
  ])('A25 refuses an encrypted token without opening it: $alg $zip', async header => {
    const [, , signature] = textsOf(await good())
    const [text, three] = [encode(JSON.stringify({ ...header, kid: 'k1' })), encode('ciphertext')]
    await hop.expectDenied(`${text}.${three}.${three}.${three}.${signature}`)
    await hop.expectDenied(`${text}..${three}.${three}.${three}`)
    await hop.expectDenied(signed(`${text}.${textsOf(await good())[1]}`))
    await expectTwin()
  })

  it('A25 refuses a signed token that calls itself encrypted', async () => {
    await hop.expectDenied(await good(login, { enc: 'A256GCM' }))
    await expectTwin()
  })

  it('A26 refuses a token in a token', async () => {
    const inner = await good()
    await hop.expectDenied(signed(`${encode(headerText({ cty: 'JWT' }))}.${encode(inner)}`))
    await hop.expectDenied(signed(`${encode(headerText())}.${encode(inner)}`))
    await hop.expectDenied(await good(login, { cty: 'JWT' }))
    await hop.expectForwarded(inner)
  })

  it('A27 takes tokens up to 8 KiB, refuses longer ones, and does not read on past the header limit', async () => {
    const ofLength = async (length: number): Promise<string> => {
      let pad = length - (await good(login, {}, { pad: '' })).length
      for (;;) {
        const token = await good(login, {}, { pad: 'x'.repeat(Math.floor((pad * 3) / 4)) })
        if (token.length <= length) return token
        pad -= 1
      }
    }
    const longest = await ofLength(8192)
    expect(longest.length).toBeGreaterThan(8180)
    await hop.expectForwarded(longest)
    await hop.expectDenied(`${await ofLength(8192)}${'A'.repeat(14)}`)
    await hop.expectDenied(await ofLength(12_000))
    await hop.expectDenied(await good(login, {}, { aud: [...new Array<string>(1500).fill('a'), 'shop-web'] }))
    await hop.expectDenied(`${'A'.repeat(16_384)}.A.A`, headerTooLarge)
  })

  it('A27 gives a header of 1 MiB up after its first 16 KiB', async () => {
    const events = hop.lines.length
    const before = process.memoryUsage().arrayBuffers
    const pieces = new Array<string>(64).fill('A'.repeat(16_384))
    const answer = await sendRaw(hop.port, [
      'GET /orders/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ',
      ...pieces,
    ])
    expect(answer.closed).toBe(true)
    expect(answer.responses.map(({ status }) => status)).not.toContain(200)
    expect(await hop.event(events)).toMatchObject({ refusal: 'request.header_too_large', status: 431 })
    expect(hop.lines).toHaveLength(events + 1)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
    await expectTwin()
  })

  it('A28 refuses a signature over something else', async () => {
    const token = await good()
    const [header, payload, signature] = textsOf(token)
    const [, otherPayload, otherSignature] = textsOf(await good())
    const flipped = Buffer.from(payload, 'base64url')
    flipped.writeUInt8(flipped.readUInt8(flipped.length - 3) ^ 1, flipped.length - 3)
    const altered = encode(decodeText(payload).replace('"alice"', '"admin"'))
    const attacks: JwsTexts[] = [
      [header, otherPayload, signature],
      [header, payload, otherSignature],
      [header, altered, signature],
      [header, flipped.toString('base64url'), signature],
      [header, payload, signature.slice(0, -4)],
      [encode(headerText({ typ: 'JWT' })), payload, signature],
    ]
    for (const attack of attacks) await hop.expectDenied(attack.join('.'))
    await hop.expectForwarded(token)
  })

  it('A29 verifies over the bytes received, not over what they mean', async () => {
    const spaced = '{ "alg" : "ES256",\n "kid":"k1", "typ":"at+jwt" }'
    const payload = await payloadOf()
    const token = login.signRaw(spaced, payload)
    await hop.expectForwarded(token)
    const [header, body, signature] = textsOf(token)
    await hop.expectDenied(`${encode(headerText())}.${body}.${signature}`)
    await hop.expectDenied(`${header}.${encode(JSON.stringify(JSON.parse(payload), null, 1))}.${signature}`)
  })
})

function spellingsOf(key: KeyObject, { jwk }: TestIssuer): (string | Buffer)[] {
  const pem = key.export({ type: 'spki', format: 'pem' }).toString()
  return [
    pem,
    pem.trimEnd(),
    `\n${pem}`,
    key.export({ type: 'spki', format: 'der' }),
    JSON.stringify(jwk),
    JSON.stringify(key.export({ format: 'jwk' })),
    jwk.n ?? jwk.x ?? '',
    Buffer.from(jwk.n ?? jwk.x ?? '', 'base64url'),
  ]
}

/** PS256 by a key that is published for RS256. */
async function signPss(by: TestIssuer): Promise<string> {
  const input = `${encode(headerText({ alg: 'PS256', kid: by.kid }))}.${textsOf(await good(by))[1]}`
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  return `${input}.${sign('sha256', Buffer.from(input), { key: by.privateKey, ...padding }).toString('base64url')}`
}

function withMember(json: string, text: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${json.slice(0, -1)},"x":"`), text, Buffer.from('"}')])
}

function withValue(json: string, value: string): string {
  return `${json.slice(0, -1)},"x":${value}}`
}

/** The same bytes with the last letter's unused bits set. */
function withUnusedBits(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const other = alphabet[alphabet.indexOf(part.at(-1) ?? '') + 1] ?? ''
  const text = part.slice(0, -1) + other
  expect(Buffer.from(text, 'base64url')).toEqual(Buffer.from(part, 'base64url'))
  return text
}
