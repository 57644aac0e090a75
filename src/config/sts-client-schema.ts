import { isIP } from 'node:net'
import { z } from 'zod'
import { parseDistinguishedName } from '../base/distinguished-name.ts'
import { fail, ok } from '../base/result.ts'
import { parseScryptHash } from '../base/scrypt-hash.ts'
import {
  audience,
  clientId,
  durationSeconds,
  filePath,
  parsedText,
  purposes,
  resource,
  routeHost,
  scope,
  spiffeId,
  wholeNumber,
} from './fields.ts'
import { addIssue, refuseRepeats, requireOneOf } from './issue-detail.ts'
import { issuerName, publicKeySet } from './issuer-schema.ts'
import { secretReference } from './secret-reference.ts'

const keySet = z
  .strictObject({
    file: filePath.optional().describe('File with the JWK set.'),
    inline: publicKeySet.optional().describe('The JWK set itself.'),
  })
  .superRefine((jwks, context) => requireOneOf(jwks, ['file', 'inline'], context))

/** How many requests a client may send. */
export const rateLimit = z.strictObject({
  requests: wholeNumber(1, 1_000_000).describe('As many at once, and as many again in each `per`.'),
  per: durationSeconds('1s', '24h').prefault('1s').describe('The period.'),
})

const secretHash = parsedText(
  { title: 'a hash that hopgate client-secret made', pattern: '^\\$scrypt\\$', hidden: true },
  text => {
    const parsed = parseScryptHash(text)
    return parsed.ok ? ok(text) : parsed
  },
)

/** One, or two while the client goes over from one to the other. */
function oneOrTwo<T extends z.ZodType>(one: T, title: string) {
  return z.union([one, z.array(one).min(1).max(2)]).meta({ title: `${title}, or a list of one or two` })
}

const subjectKinds = ['subject_dn', 'san_dns', 'san_uri', 'san_ip', 'san_email'] as const

const certificateSubject = z
  .strictObject({
    subject_dn: parsedText({ title: 'a name such as CN=orders,O=Example,C=SE' }, text => {
      const parsed = parseDistinguishedName(text)
      return parsed.ok ? ok(text) : parsed
    })
      .optional()
      .describe(
        'The whole subject, the most particular first (RFC 4514), each value exactly as in the certificate.',
      ),
    san_dns: routeHost.optional().describe('A host name among the alternative names, without wildcard.'),
    san_uri: resourceLike('a URI').optional().describe('A URI among them.'),
    san_ip: parsedText({ title: 'an IP address' }, text =>
      isIP(text) !== 0 && !text.includes('%') ? ok(text) : fail(''),
    )
      .optional()
      .describe('An IP address among them.'),
    san_email: resourceLike('an address of mail').optional().describe('An address of mail among them.'),
  })
  .superRefine((subject, context) => requireOneOf(subject, subjectKinds, context))

function resourceLike(title: string) {
  return parsedText({ title }, text => (/^[\x21-\x7e]{3,2048}$/.test(text) ? ok(text) : fail('')))
}

const selfSigned = z
  .strictObject({
    jwks: keySet.optional().describe('The public keys that its certificates may have.'),
    thumbprints: z
      .array(
        parsedText({ title: 'an x5t#S256 thumbprint: 43 characters of base64url' }, text =>
          /^[A-Za-z0-9_-]{43}$/.test(text) ? ok(text) : fail(''),
        ),
      )
      .min(1)
      .optional()
      .meta({ title: 'a list of x5t#S256 thumbprints' })
      .describe('Its certificates by the SHA-256 of their DER, in base64url (`x5t#S256`).'),
  })
  .superRefine(({ jwks, thumbprints }, context) => {
    if (jwks !== undefined || thumbprints !== undefined) return
    addIssue(context, [], {
      found: 'neither jwks nor thumbprints',
      expected: 'at least one of jwks, thumbprints',
    })
  })

const kubernetesName = parsedText({ title: 'a name as Kubernetes has them' }, text =>
  /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(text) ? ok(text) : fail(''),
)

const serviceAccount = z.strictObject({
  cluster: issuerName.optional().describe('`issuer` of one of `clusters`. Absent: the only one.'),
  namespace: kubernetesName.describe('Its namespace.'),
  service_account: kubernetesName.describe('Its name there.'),
})

/** Every key of a client that says how it authenticates. */
export const authenticationKeys = [
  'secret',
  'secret_hash',
  'jwks',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'kubernetes',
  'spiffe_jwt',
  'spiffe_x509',
] as const

const ticketRules = z
  .array(
    z.strictObject({
      audience: audience.describe('Where the worker is to call.'),
      purposes: purposes.describe('What the tickets are for; each is asked for by name.'),
      scope: scope.prefault([]).describe('Scopes that a ticket, or a token for one, may hold.'),
      ttl: durationSeconds('1s', '7d')
        .optional()
        .describe('Upper bound on the life of the ticket or the token.'),
    }),
  )
  .meta({ title: 'a list of rules for tickets' })

const clientSchema = z
  .strictObject({
    id: clientId.describe('Its `client_id`.'),
    secret: oneOrTwo(secretReference, `\${NAME} or { file: PATH }`)
      .optional()
      .describe('Its secret, for `client_secret_basic` and `client_secret_post`.'),
    secret_hash: oneOrTwo(secretHash, 'a hash that hopgate client-secret made')
      .optional()
      .describe(
        'The hash of its secret, from `hopgate client-secret`; beside `secret` only while one replaces the other.',
      ),
    authentication: z
      .enum(['client_secret_basic', 'client_secret_post'])
      .optional()
      .describe('The only way in which its secret may be sent. Absent: both.'),
    jwks: keySet.optional().describe('Its public keys, for `private_key_jwt`.'),
    tls_client_auth: certificateSubject
      .optional()
      .describe(
        'The subject of its certificate, which `listen.tls.client_ca` vouches for: exactly one of these.',
      ),
    self_signed_tls_client_auth: selfSigned.optional().describe('Its certificates, whoever signed them.'),
    kubernetes: serviceAccount
      .optional()
      .describe('The service account that it runs as, for its projected tokens.'),
    spiffe_jwt: spiffeId.optional().describe('Its SPIFFE ID, for JWT-SVIDs.'),
    spiffe_x509: spiffeId.optional().describe('Its SPIFFE ID, for X.509-SVIDs.'),
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
    tickets: z
      .strictObject({
        issue: ticketRules.prefault([]).describe('Tickets that it may put into a queue.'),
        redeem: ticketRules.prefault([]).describe('Tickets that it may redeem.'),
      })
      .optional()
      .describe(
        'What is not listed is denied, whatever the policy says. Absent: what the policy permits, if any.',
      ),
    rate_limit: rateLimit.optional().describe('Its own rate limit, instead of `sts.rate_limit`.'),
  })
  .superRefine((client, context) => {
    const { secret, secret_hash, authentication } = client
    const { secret_hash: _, ...withoutHash } = client
    requireOneOf(secret === undefined ? client : withoutHash, authenticationKeys, context)
    if (countOf(secret) + countOf(secret_hash) > 2) {
      addIssue(context, ['secret_hash'], {
        found: 'more than two secrets',
        expected: 'one, or two to replace it',
        at: 'key',
      })
    }
    if (authentication !== undefined && secret === undefined && secret_hash === undefined) {
      const found = 'a key that means nothing without a secret'
      addIssue(context, ['authentication'], { found, expected: 'secret or secret_hash beside it', at: 'key' })
    }
  })

function countOf(value: unknown): number {
  if (value === undefined) return 0
  return Array.isArray(value) ? value.length : 1
}

/** `sts.clients`. */
export const clientList = z
  .array(clientSchema)
  .superRefine((clients, context) => {
    refuseRepeats(
      clients.map(({ id }) => id),
      'id',
      context,
    )
  })
  .meta({ title: 'a list of clients' })

export type StsClientInput = z.output<typeof clientSchema>
