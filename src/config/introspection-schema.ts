import { z } from 'zod'
import { clientSchema } from './exchange-schema.ts'
import { durationMs, flag, strictUrl } from './fields.ts'

/** `introspection` of an issuer: how the sidecar asks it about tokens (RFC 7662). */
export const introspectionSchema = z.strictObject({
  endpoint: strictUrl('an https: URL', { schemes: ['https:', 'http:'], path: true, query: true })
    .optional()
    .describe("Address that is asked. Absent: from the issuer's metadata, and of the issuer's origin."),
  client: clientSchema.describe(
    'How the sidecar authenticates there. With `assertion_audience: token_endpoint`, `aud` is the address that is asked.',
  ),
  opaque: flag
    .optional()
    .describe(
      'Whether tokens that are no JWT are asked about here; for one issuer at most. Absent: `true` when no other issuer has `introspection`.',
    ),
  signed: flag
    .prefault(false)
    .describe('Asks for signed answers (RFC 9701) and takes no other. Absent: both are taken.'),
  token_type: z
    .enum(['required', 'optional'])
    .prefault('required')
    .describe(
      'Whether an answer about a token that is no JWT must say `token_type`. `optional` is safe only where refresh tokens are never active.',
    ),
  cache: durationMs('0s', '1m')
    .prefault('5s')
    .describe(
      'How long an answer that a token is active is used: so much later may a revocation be noticed. Never longer than the token lives. `0s` asks every time.',
    ),
  negative: durationMs('0s', '1m')
    .prefault('5s')
    .describe('How long an answer that a token is not active is used. `0s` asks every time.'),
  timeout: durationMs('1ms', '1m')
    .prefault('2s')
    .describe('One question, with everything it waits for, ends within this time.'),
})

export type IntrospectionInput = z.output<typeof introspectionSchema>
