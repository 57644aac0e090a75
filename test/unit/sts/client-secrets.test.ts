import { expect, it } from 'vitest'
import type { StsClient } from '../../../src/config/sidecar-config.ts'
import { createSecretCheck } from '../../../src/sts/client-secrets.ts'
import { secretAuthentication } from '../../support/token-service.ts'

function client(id: string, secret: string): StsClient {
  return {
    id,
    authentication: secretAuthentication(secret),
    accepts: [],
    audiences: new Map(),
  }
}

const orders = client('orders', 'sesame')
const keyed: StsClient = {
  ...client('keyed', ''),
  authentication: { kind: 'private_key_jwt', jwks: { keys: [] } },
}
const isSecretOf = createSecretCheck([orders, client('billing', 'other'), client('careless', ''), keyed])

it("accepts a client's secret", () => {
  expect(isSecretOf(orders, 'sesame')).toBe(true)
})

it.each(['', 'sesam', 'sesame ', 'Sesame', 'other'])('refuses %j', secret => {
  expect(isSecretOf(orders, secret)).toBe(false)
})

it('refuses every secret for a client without one, and for nobody', () => {
  expect(isSecretOf(keyed, '')).toBe(false)
  expect(isSecretOf(undefined, 'sesame')).toBe(false)
})

it('refuses an empty secret even where one is configured', () => {
  expect(isSecretOf(client('careless', ''), '')).toBe(false)
})
