import { compactVerify, importJWK, jwtVerify } from 'jose'
import { expect, it } from 'vitest'
import { createSigner } from '../../../src/sts/signer.ts'
import { generateSigningKey } from '../../../src/sts/signing-keys.ts'

it('makes tokens that an independent library verifies with the published key', async () => {
  const signer = createSigner([generateSigningKey()])
  const [jwk] = signer.publicKeys()
  const token = signer.sign({ sub: 'zoë', n: 1 }, 'at+jwt')
  const { payload, protectedHeader } = await jwtVerify(token, await importJWK({ ...jwk }))
  expect(payload).toEqual({ sub: 'zoë', n: 1 })
  expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: jwk?.kid })
})

it('signs with the first key and publishes all', async () => {
  const keys = [generateSigningKey(), generateSigningKey()] as const
  const signer = createSigner(keys)
  expect(signer.publicKeys()).toEqual(keys.map(key => key.publicJwk))
  const token = signer.sign({}, 'at+jwt')
  await expect(compactVerify(token, await importJWK({ ...keys[0].publicJwk }))).resolves.toBeDefined()
  await expect(compactVerify(token, await importJWK({ ...keys[1].publicJwk }))).rejects.toThrow()
})

it('keeps the types of different tokens apart', () => {
  const signer = createSigner([generateSigningKey()])
  const types = ['at+jwt', 'logout+jwt', 'at+jwt'].map(
    type => JSON.parse(Buffer.from(signer.sign({}, type).split('.')[0] ?? '', 'base64url').toString()).typ,
  )
  expect(types).toEqual(['at+jwt', 'logout+jwt', 'at+jwt'])
})
