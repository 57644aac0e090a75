import { z } from 'zod'
import { listenAddress } from './fields.ts'
import { hubListenSchema } from './listen-schema.ts'
import { environmentName, policyFile } from './policy-keys.ts'
import { auditSchema, redisReference } from './runtime-schema.ts'
import { hubStsSchema } from './sts-schema.ts'

/** What the author of a hub's configuration writes. */
export const hubSchema = z.strictObject({
  listen: hubListenSchema.prefault('0.0.0.0:8080').describe('Where the token service is.'),
  admin: listenAddress.prefault('127.0.0.1:9090').describe('Where `/metrics`, `/livez` and `/readyz` are.'),
  redis: redisReference
    .optional()
    .describe(
      'Redis for what replicas must share, such as used assertion ids. Absent: memory, for one replica.',
    ),
  audit: auditSchema.prefault({}).describe('Where the record of every exchange goes.'),
  policy: policyFile,
  environment: environmentName,
  sts: hubStsSchema.describe('The token service (RFC 8693).'),
})

export type HubInput = z.output<typeof hubSchema>
