import { z } from 'zod'
import { audience, clientId, durationSeconds, filePath, resource, scope, wholeNumber } from './fields.ts'
import { refuseRepeats, requireOneOf } from './issue-detail.ts'
import { issuerList, issuerUrl, publicKeySet } from './issuer-schema.ts'
import { secretReference } from './secret-reference.ts'

const keySet = z
  .strictObject({
    file: filePath.optional().describe('File with the JWK set.'),
    inline: publicKeySet.optional().describe('The JWK set itself.'),
  })
  .superRefine((jwks, context) => requireOneOf(jwks, ['file', 'inline'], context))

const rateLimit = z.strictObject({
  requests: wholeNumber(1, 1_000_000).describe('As many at once, and as many again in each `per`.'),
  per: durationSeconds('1s', '24h').prefault('1s').describe('The period.'),
})

const clientSchema = z
  .strictObject({
    id: clientId.describe('Its `client_id`.'),
    secret: secretReference
      .optional()
      .describe('Its secret, for `client_secret_basic` and `client_secret_post`. This or `jwks`.'),
    jwks: keySet.optional().describe('Its public keys, for `private_key_jwt`. This or `secret`.'),
    grants: z
      .array(z.enum(['token_exchange', 'client_credentials', 'jwt_bearer']))
      .min(1)
      .optional()
      .meta({ title: 'a list of grants' })
      .describe(
        'Grants that it may use. Absent: token exchange, and with a policy client credentials, which the policy decides alone then.',
      ),
    accepts: z
      .array(audience)
      .prefault([])
      .meta({ title: 'a list of audiences' })
      .describe("A subject token must carry the client's id or one of these in `aud`."),
    audiences: z
      .record(
        audience,
        z.strictObject({
          scope: scope.prefault([]).describe('Scopes that may be granted there.'),
          resource: resource
            .optional()
            .describe('Resource indicator (RFC 8707) that may be sent along with the audience.'),
          ttl: durationSeconds('1s', '24h').optional().describe("Upper bound on the issued token's life."),
        }),
      )
      .optional()
      .meta({ title: 'a mapping of audiences' })
      .describe(
        'The audiences that it may ask for. What is not listed is denied, whatever the policy says. Absent: what the policy permits.',
      ),
    rate_limit: rateLimit.optional().describe('Its own rate limit, instead of `sts.rate_limit`.'),
  })
  .superRefine((client, context) => requireOneOf(client, ['secret', 'jwks'], context))

const clientList = z
  .array(clientSchema)
  .superRefine((clients, context) => {
    refuseRepeats(
      clients.map(({ id }) => id),
      'id',
      context,
    )
  })
  .meta({ title: 'a list of clients' })

const common = {
  keys: filePath
    .optional()
    .describe(
      'File with the private signing keys, made on first start. Absent: keys live in memory and end with the process.',
    ),
  max_ttl: durationSeconds('1s', '24h').prefault('5m').describe('Longest life of an issued token.'),
  rate_limit: rateLimit
    .prefault({ requests: 1_000 })
    .describe(
      'How many requests one client may send, over all endpoints, to each process; the rest are answered 429.',
    ),
  max_actor_depth: wholeNumber(1, 32).prefault(8).describe('Deepest `act` chain of an issued token.'),
  max_actor_bytes: wholeNumber(64, 65_536)
    .prefault(2_048)
    .describe('Longest `act` claim of an issued token, in bytes.'),
  max_actor_visits: wholeNumber(1, 32)
    .prefault(2)
    .describe('How often one actor may be in an `act` chain: twice is a callback, more is a loop.'),
}

/** `sts` of a hub. */
export const hubStsSchema = z.strictObject({
  issuer: issuerUrl.describe('Issuer identifier (RFC 8414); the endpoints live below it.'),
  ...common,
  issuers: issuerList.min(1).describe('Whose tokens may be exchanged.'),
  clients: clientList.min(1).describe('Who may exchange, and what for.'),
})

/** `sts` of a sidecar, where everything has a default and the sidecar is a client by itself. */
export const sidecarStsSchema = z.strictObject({
  issuer: issuerUrl
    .optional()
    .describe('Issuer identifier (RFC 8414). Absent: `http://127.0.0.1:` and the port of `admin`.'),
  ...common,
  issuers: issuerList
    .min(1)
    .optional()
    .describe("Whose tokens may be exchanged. Absent: the sidecar's issuers."),
  clients: clientList
    .prefault([])
    .describe('Further clients. The sidecar itself is one without being listed, with what its routes need.'),
})

export type RateLimitInput = z.output<typeof rateLimit>
export type StsClientInput = z.output<typeof clientSchema>
export type StsInput = z.output<typeof hubStsSchema>
