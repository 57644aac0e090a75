import { describe, expect, it } from 'vitest'
import { silentLog } from '../../../src/base/log.ts'
import { createMemoryRevocationStore } from '../../../src/sts/memory-revocation-store.ts'
import { createSigner } from '../../../src/sts/signer.ts'
import { generateSigningKey } from '../../../src/sts/signing-keys.ts'
import { createSubjectVerifier } from '../../../src/sts/subject-verifier.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../support/fake-http-client.ts'
import { anIntrospectionConfig } from '../../support/introspection.ts'
import { createTestStsConfig, tokenServiceIssuer } from '../../support/token-service.ts'
import { createTestIssuer } from '../../support/tokens.ts'

const now = Math.floor(Date.now() / 1000)
const login = await createTestIssuer()
const reports = await createTestIssuer({ issuer: 'reports' })
const signer = createSigner([generateSigningKey()])
const client = createFakeHttpClient(() => new Error('no network here'))
const verifier = createSubjectVerifier(createTestStsConfig(login, reports), signer, {
  client,
  log: silentLog,
  clock: createFakeClock(now),
  revocations: createMemoryRevocationStore(createFakeClock(now)),
})

function own(claims: Record<string, unknown> = {}, type = 'at+jwt', by = signer): string {
  const base = { iss: tokenServiceIssuer, sub: 'alice', aud: 'billing', iat: now, exp: now + 60, jti: 'j1' }
  return by.sign({ ...base, ...claims }, type)
}

describe('subject tokens that the service issued itself', () => {
  it('are verified with the keys in this process, without a fetch', async () => {
    const verified = await verifier.verify(own(), now)
    expect(verified).toMatchObject({ ok: true, value: { issuer: tokenServiceIssuer, subject: 'alice' } })
    expect(client.requests).toEqual([])
  })

  it('are good for everything that some client answers to, and nothing else', async () => {
    expect(await verifier.verify(own({ aud: 'shop-web' }), now)).toMatchObject({ ok: true })
    expect(await verifier.verify(own({ aud: 'orders-api' }), now)).toMatchObject({ ok: false })
  })

  it.each(['JWT', 'txntoken+jwt', 'logout+jwt'])('are access tokens, not %s', async type => {
    expect(await verifier.verify(own({}, type), now)).toMatchObject({ ok: false })
  })

  it('are signed with one of its keys', async () => {
    expect(await verifier.verify(own({}, 'at+jwt', createSigner([generateSigningKey()])), now)).toMatchObject(
      { ok: false },
    )
  })

  it('do not live longer than the service lets them', async () => {
    expect(await verifier.verify(own({ exp: now + 3_600 }), now)).toMatchObject({ ok: false })
  })
})

describe('subject tokens of others', () => {
  it('are those of the configured issuers', async () => {
    const claims = { aud: 'orders', iat: now, exp: now + 60, jti: 'j1' }
    expect(await verifier.verify(await login.sign(claims), now)).toMatchObject({ ok: true })
    expect(await verifier.verify(await reports.sign(claims), now)).toMatchObject({ ok: false })
  })
})

describe('subject tokens that are no JWT', () => {
  const opaqueVerifier = (answer: FakeAnswer) => {
    const config = createTestStsConfig(login, reports, {
      rules: { introspection: anIntrospectionConfig() },
    })
    return createSubjectVerifier(config, signer, {
      client: createFakeHttpClient(() => answer),
      log: silentLog,
      clock: createFakeClock(now),
      revocations: createMemoryRevocationStore(createFakeClock(now)),
    })
  }
  const active = { active: true, sub: 'alice', aud: 'orders', token_type: 'Bearer', exp: now + 60 }

  it('are good when the one issuer that is asked about such tokens calls them active', async () => {
    const { verify } = opaqueVerifier({ body: JSON.stringify(active) })
    expect(await verify('opaque', now)).toMatchObject({ ok: true, value: { subject: 'alice' } })
  })

  it('are not good otherwise, and nobody is asked where nobody is named', async () => {
    const { verify } = opaqueVerifier({ body: '{"active":false}' })
    expect(await verify('opaque', now)).toMatchObject({ ok: false })
    expect(await verifier.verify('opaque', now)).toMatchObject({ ok: false })
    expect(client.requests).toEqual([])
  })

  it('say nothing about JWTs, whose signature is looked at', async () => {
    const { verify } = opaqueVerifier({ body: JSON.stringify(active) })
    const claims = { aud: 'orders', iat: now, exp: now + 60, jti: 'j1' }
    expect(await verify(await login.sign(claims), now)).toMatchObject({ ok: true })
    expect(await verify(await reports.sign(claims), now)).toMatchObject({ ok: false })
  })
})
