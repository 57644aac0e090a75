import { describe, expect, it } from 'vitest'
import type { SignatureAlgorithm } from '../../src/config/sidecar-config.ts'
import { readCompactJws, readJwsParts } from '../../src/tokens/compact-jws.ts'
import { readVerificationKey } from '../../src/tokens/key-hygiene.ts'
import { verifySignature } from '../../src/tokens/verify-signature.ts'
import { describeVectors } from '../support/vectors.ts'

interface Example {
  readonly title: string
  readonly input: { readonly key: Record<string, unknown>; readonly alg: SignatureAlgorithm }
  readonly output: { readonly compact?: string; readonly json?: unknown; readonly json_flat?: unknown }
}

interface NestedExample {
  readonly sign: Example
  readonly encrypt: { readonly output: { readonly compact: string } }
}

describe('the published examples of RFC 7520 and RFC 8037', () => {
  for (const path of [
    'jose-cookbook/jws_4_1.rsa_v15_signature.json',
    'jose-cookbook/jws_4_2.rsa-pss_signature.json',
    'jose-cookbook/jws_4_3.ecdsa_signature.json',
    'jose-cookbook/curve25519_jws.json',
  ]) {
    describeVectors<Example>(path, example => {
      it('verifies the compact form', () => {
        expect(verifies(example)).toBe(true)
      })

      it('refuses it with a changed payload, and with the private key published', () => {
        const compact = example.output.compact ?? ''
        const [header, payload = '', signature] = compact.split('.')
        const changed = `${header}.${payload.startsWith('A') ? 'B' : 'A'}${payload.slice(1)}.${signature}`
        expect(verifies(example, changed)).toBe(false)
        expect(readVerificationKey(example.input.key, [example.input.alg]).ok).toBe(false)
      })

      it('refuses the JSON serialisations', () => {
        for (const form of [example.output.json, example.output.json_flat]) {
          expect(readJwsParts(JSON.stringify(form), 8192).ok).toBe(false)
        }
      })
    })
  }

  describeVectors<NestedExample>(
    'jose-cookbook/6.nesting_signatures_and_encryption.json',
    ({ sign, encrypt }) => {
      it('verifies the inner signature and refuses the encrypted wrapping', () => {
        expect(verifies(sign)).toBe(true)
        expect(readJwsParts(encrypt.output.compact, 8192).ok).toBe(false)
      })
    },
  )

  for (const path of [
    'jose-cookbook/jws_4_4.hmac-sha2_integrity_protection.json',
    'jose-cookbook/jws_4_5.signature_with_detached_content.json',
    'jose-cookbook/rfc7797_4.2.hmac-sha2_b64_false.json',
    'jose-cookbook/rfc7797_hmac-sha2_b64_false.json',
  ]) {
    describeVectors<Example>(path, example => {
      it('is refused: symmetric, detached or unencoded', () => {
        expect(readVerificationKey(example.input.key, ['RS256', 'ES256', 'EdDSA']).ok).toBe(false)
        expect(readCompactJws(example.output.compact ?? '', 8192).ok).toBe(false)
      })
    })
  }
})

function verifies({ input, output }: Example, compact = output.compact ?? ''): boolean {
  const { kty, kid, crv, x, y, n, e } = input.key
  const jwk = JSON.parse(JSON.stringify({ kty, kid, crv, x, y, n, e }))
  const key = readVerificationKey(jwk, [input.alg])
  const parts = readJwsParts(compact, 8192)
  return key.ok && parts.ok && verifySignature(parts.value, key.value)
}
