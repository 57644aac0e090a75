import { beforeEach, describe, expect, it } from 'vitest'
import type { IssuerRules } from '../../../src/config/sidecar-config.ts'
import { createOwnTokenReader, type ReadOwnToken } from '../../../src/sts/own-token.ts'
import { createSigner, type ReplaceableSigner } from '../../../src/sts/signer.ts'
import { generateSigningKey } from '../../../src/sts/signing-keys.ts'
import { textsOf } from '../../support/jws-text.ts'

const issuer = 'https://hub.example.com'
const now = 1_800_000_000
const rules: IssuerRules = {
  issuer,
  audience: [],
  algorithms: ['ES256'],
  keys: { kind: 'inline', jwks: { keys: [] } },
  types: ['at+jwt'],
  leewaySeconds: 5,
  maxLifetimeSeconds: 300,
  maxActorDepth: 4,
  plaintext: false,
}

let signer: ReplaceableSigner
let read: ReadOwnToken

beforeEach(() => {
  signer = createSigner([generateSigningKey()])
  read = createOwnTokenReader(rules, signer, 8_192)
})

function sign(claims: Record<string, unknown> = {}): string {
  const usual = {
    iss: issuer,
    sub: 'alice',
    aud: 'orders',
    client_id: 'web',
    iat: now,
    exp: now + 60,
    jti: 'j1',
  }
  return signer.sign({ ...usual, ...claims }, 'at+jwt')
}

describe('a token of this service that is asked about again', () => {
  it('is known by its text, and says the same', () => {
    const token = sign({ act: { sub: 'web' } })
    const first = read(token, now)
    expect(first).toMatchObject({ ok: true, value: { subject: 'alice', tokenId: 'j1', expiresAt: now + 60 } })
    const again = read(token, now + 1)
    expect(again.ok && first.ok && again.value === first.value).toBe(true)
  })

  it('ends when it ends, and not before it begins', () => {
    const token = sign({ nbf: now })
    expect(read(token, now)).toMatchObject({ ok: true })
    expect(read(token, now + 64)).toMatchObject({ ok: true })
    expect(read(token, now + 65)).toMatchObject({ ok: false, error: 'expired' })
    expect(read(token, now)).toMatchObject({ ok: true })
    expect(read(token, now - 6)).toMatchObject({ ok: false })
  })

  it('is not known once its key was withdrawn', () => {
    const token = sign()
    expect(read(token, now)).toMatchObject({ ok: true })
    signer.replace([generateSigningKey()])
    expect(read(token, now)).toMatchObject({ ok: false, error: 'its key and alg are none of here' })
  })

  it('vouches for no other text', () => {
    const token = sign()
    expect(read(token, now)).toMatchObject({ ok: true })
    const [header, payload, signature] = textsOf(token)
    const [, otherPayload] = textsOf(sign({ sub: 'mallory' }))
    for (const other of [
      `${header}.${otherPayload}.${signature}`,
      `${token} `,
      `${header}.${payload}.AAAA`,
    ]) {
      expect(read(other, now)).toMatchObject({ ok: false })
    }
  })
})
