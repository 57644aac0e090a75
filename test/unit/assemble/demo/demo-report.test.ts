import { expect, it } from 'vitest'
import { formatHops, formatRefusals, reportJson } from '../../../../src/assemble/demo/demo-report.ts'

const hop = {
  service: 'orders',
  audience: 'orders',
  subject: 'alice',
  act: { sub: 'orders', act: { sub: 'storefront' } },
  scope: 'orders:read',
  expiresIn: 119,
  tokenId: '0123456789',
  source: 'issued',
} as const
const refusal = { case: 'no token', status: 401, expectedStatus: 401, challenge: 'Bearer realm="orders"' }

it('shows the chain with the current actor first and the start of the token id', () => {
  const [, line] = formatHops([hop])
  expect(line).toMatch(/^orders +orders +alice +orders < storefront +orders:read +119 s +01234567 +issued$/)
})

it('shows the challenge beside the status', () => {
  expect(formatRefusals([refusal])[1]).toBe('no token     401  Bearer realm="orders"')
})

it('is one JSON document with the names of the wire', () => {
  const refusals = [{ ...refusal, challenge: undefined }]
  expect(JSON.parse(reportJson({ hops: [hop, { ...hop, act: undefined }], refusals }))).toEqual({
    hops: [
      {
        service: 'orders',
        aud: 'orders',
        sub: 'alice',
        act: { sub: 'orders', act: { sub: 'storefront' } },
        scope: 'orders:read',
        expires_in: 119,
        jti: '0123456789',
        source: 'issued',
      },
      expect.objectContaining({ act: null }),
    ],
    refused: [{ case: 'no token', status: 401 }],
  })
})
