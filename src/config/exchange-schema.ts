import { z } from 'zod'
import { isAcceptableTransport } from '../base/transport.ts'
import { clientId, durationMs, durationSeconds, filePath, flag } from './fields.ts'
import { addIssue } from './issue-detail.ts'
import { algorithmList, issuerUrl, openTransport } from './issuer-schema.ts'
import { secretReference } from './secret-reference.ts'

const methods = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'kubernetes',
  'spiffe_jwt',
  'spiffe_x509',
] as const

/** What each method takes its credentials from; nothing for those that take `exchange.tls`. */
const neededKeys: Readonly<Record<(typeof methods)[number], 'secret' | 'key' | 'token' | undefined>> = {
  client_secret_basic: 'secret',
  client_secret_post: 'secret',
  private_key_jwt: 'key',
  tls_client_auth: undefined,
  self_signed_tls_client_auth: undefined,
  kubernetes: 'token',
  spiffe_jwt: 'token',
  spiffe_x509: undefined,
}

/** How the sidecar authenticates as a client at an authorization server. */
export const clientSchema = z
  .strictObject({
    id: clientId.optional().describe('Its `client_id`. Absent: the name of the service.'),
    authentication: z
      .enum(methods)
      .optional()
      .describe('Absent: `private_key_jwt` with `key`, `client_secret_basic` with `secret`.'),
    secret: secretReference.optional().describe('The client secret.'),
    key: filePath
      .optional()
      .describe(
        'File with a private JWK that has `alg` and, when the server needs it, `kid`. Read at each change.',
      ),
    token: filePath
      .optional()
      .describe(
        'File with the token of the platform: a projected service account token, or a JWT-SVID. Read at each change.',
      ),
    assertion_audience: z
      .enum(['issuer', 'token_endpoint'])
      .optional()
      .meta({ default: 'issuer' })
      .describe(
        '`aud` of the client assertion; `token_endpoint` for servers that do not know RFC 10070 yet.',
      ),
  })
  .superRefine((client, context) => {
    const { authentication = client.key === undefined ? undefined : 'private_key_jwt' } = client
    const method = authentication ?? 'client_secret_basic'
    const needed = neededKeys[method]
    const byKey = method === 'private_key_jwt'
    const name = needed === 'secret' ? 'a client secret' : method
    for (const key of ['secret', 'key', 'token', 'assertion_audience'] as const) {
      if (client[key] === undefined || key === needed || (byKey && key === 'assertion_audience')) continue
      const found = `a key that does not go with ${name}`
      addIssue(context, [key], { found, expected: needed ?? 'exchange.tls', at: 'key' })
    }
    if (needed === undefined || client[needed] !== undefined) return
    const expected = client.authentication === undefined ? 'secret or key' : needed
    addIssue(context, [], { found: `a client without ${expected}`, expected })
  })

/** Whether a client authenticates with the certificate of its connection. */
export function needsCertificate({ authentication }: ClientInput): boolean {
  return authentication !== undefined && neededKeys[authentication] === undefined
}

const exchangeTls = z
  .strictObject({
    ca: filePath
      .optional()
      .describe(
        "PEM file with the authorities for the server's certificate. Absent: those that Node brings.",
      ),
    cert: filePath
      .optional()
      .describe('PEM file with the own certificate, for servers that ask for one. With `key`.'),
    key: filePath.optional().describe('PEM file with the private key of the certificate, not encrypted.'),
  })
  .superRefine(({ cert, key }, context) => {
    if ((cert === undefined) === (key === undefined)) return
    const [given, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key']
    addIssue(context, [given ?? ''], {
      found: `this without ${missing}`,
      expected: 'cert and key',
      at: 'key',
    })
  })

/** `exchange` of a sidecar. */
export const exchangeSchema = z
  .strictObject({
    server: issuerUrl
      .optional()
      .describe(
        'Issuer identifier of the authorization server, found by its metadata (RFC 8414). Absent: the token service runs inside the sidecar.',
      ),
    client: clientSchema
      .optional()
      .describe('How the sidecar authenticates at the server. Required with `server`, refused without.'),
    tls: exchangeTls.optional().describe('TLS towards an `https:` server, for nobody else.'),
    timeout: durationMs('1ms', '5m')
      .prefault('5s')
      .describe('One exchange, with everything it waits for, ends within this time.'),
    margin: durationSeconds('0s', '1h')
      .prefault('10s')
      .describe('Issued tokens are not used in their last seconds; half the life when that is shorter.'),
    negative: durationSeconds('0s', '5m')
      .prefault('5s')
      .describe('How long a no of the authorization server is remembered. `0s` turns it off.'),
    actor: z
      .enum(['required', 'optional'])
      .prefault('required')
      .describe('Whether the issued token must name this client as its current actor (`act.sub`).'),
    algorithms: algorithmList.describe('Accepted `alg` values of issued tokens.'),
    plaintext: flag
      .prefault(false)
      .describe('Allows `http:` to a server on another machine. For tests and closed networks only.'),
  })
  .superRefine(({ server, client, tls, plaintext }, context) => {
    if (tls !== undefined && (server === undefined || !server.startsWith('https:'))) {
      const found = 'a key that means nothing without a server on https:'
      addIssue(context, ['tls'], { found, expected: 'an https: server', at: 'key' })
    }
    if (server === undefined) {
      if (client === undefined) return
      addIssue(context, ['client'], {
        found: 'a client without a server; the token service inside the sidecar needs none',
        expected: 'server beside it',
        at: 'key',
      })
      return
    }
    if (client === undefined) {
      addIssue(context, ['client'], { found: 'nothing', expected: 'how to authenticate at the server' })
    }
    if (client !== undefined && needsCertificate(client) && tls?.cert === undefined) {
      const found = `${client.authentication} without a certificate`
      addIssue(context, ['client', 'authentication'], { found, expected: 'cert and key in exchange.tls' })
    }
    if (!isAcceptableTransport(new URL(server), plaintext)) addIssue(context, ['server'], openTransport)
  })

export type ExchangeInput = z.output<typeof exchangeSchema>
export type ClientInput = z.output<typeof clientSchema>
