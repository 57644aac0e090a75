import { z } from 'zod'
import { decisionPointsSchema } from './decision-point-schema.ts'
import { exchangeSchema } from './exchange-schema.ts'
import { listenAddress, name } from './fields.ts'
import { listenSchema } from './listen-schema.ts'
import { contextSchema, environmentName, policyFile } from './policy-keys.ts'
import { protectedResourceSchema } from './protected-resource-schema.ts'
import { routeSchema } from './route-schema.ts'
import {
  auditSchema,
  cacheSchema,
  forwardedSchema,
  limitsSchema,
  timeoutsSchema,
  workersSchema,
} from './runtime-schema.ts'
import { sidecarIssuerList } from './sidecar-issuer-schema.ts'
import { sidecarStsSchema } from './sts-schema.ts'
import { upstreamSchema } from './upstream-schema.ts'

/** What the author of a sidecar's configuration writes. */
export const sidecarSchema = z.strictObject({
  service: name.describe(
    'This workload: its `client_id` at the token service, its name in audit events and in `Via`.',
  ),
  listen: listenSchema
    .prefault('0.0.0.0:8080')
    .describe('Where requests arrive. A mapping for TLS: its `address` and the following.'),
  admin: listenAddress
    .prefault('127.0.0.1:9090')
    .describe('Where `/metrics`, `/livez`, `/readyz` and the embedded token service are.'),
  upstream: upstreamSchema.describe(
    'The service behind: scheme, host and port. A mapping for HTTP/2 and TLS: its `url` and the following.',
  ),
  workers: workersSchema
    .prefault(1)
    .describe(
      'Processes that share the port; `auto` is as many as there are CPUs to use. Limits, caches and queues count for each.',
    ),
  issuers: sidecarIssuerList
    .prefault([])
    .describe('Whose tokens may arrive here. At least one, unless every route is public.'),
  exchange: exchangeSchema.prefault({}).describe('Who issues the token for the next hop.'),
  cache: cacheSchema.prefault({}).describe('Where issued tokens are kept.'),
  routes: z
    .array(routeSchema)
    .min(1)
    .meta({ title: 'a list of at least one route' })
    .describe('What may pass. Nothing else does.'),
  limits: limitsSchema.prefault({}).describe('Bounds on what arrives.'),
  timeouts: timeoutsSchema.prefault({}).describe('Bounds on waiting.'),
  audit: auditSchema.prefault({}).describe('Where the record of every hop goes.'),
  forwarded: forwardedSchema.prefault({}).describe('Whom to believe about the way a request came.'),
  protected_resource: protectedResourceSchema
    .optional()
    .describe(
      'What anybody may read about this service (RFC 9728). Challenges name the place. Absent: nothing.',
    ),
  policy: policyFile,
  environment: environmentName,
  decision_points: decisionPointsSchema
    .prefault({})
    .describe('Who decides beside the policy, on routes with `decide` (OpenID AuthZEN).'),
  context: contextSchema.prefault({}).describe('How callers tell the occasion.'),
  sts: sidecarStsSchema
    .optional()
    .describe(
      'The token service inside the sidecar; only without `exchange.server`. Everything has a default.',
    ),
})

export type SidecarInput = z.output<typeof sidecarSchema>
