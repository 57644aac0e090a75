import { z } from 'zod'
import { isAcceptableTransport } from '../base/transport.ts'
import { clientId, durationMs, durationSeconds, filePath, flag } from './fields.ts'
import { addIssue } from './issue-detail.ts'
import { algorithmList, issuerUrl, openTransport } from './issuer-schema.ts'
import { secretReference } from './secret-reference.ts'

/** How the sidecar authenticates as a client at an authorization server. */
export const clientSchema = z
  .strictObject({
    id: clientId.optional().describe('Its `client_id`. Absent: the name of the service.'),
    authentication: z
      .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])
      .optional()
      .describe('Absent: `private_key_jwt` with `key`, `client_secret_basic` with `secret`.'),
    secret: secretReference.optional().describe('The client secret.'),
    key: filePath
      .optional()
      .describe(
        'File with a private JWK that has `alg` and, when the server needs it, `kid`. Read at each change.',
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
    const { authentication, secret, key, assertion_audience } = client
    const byKey = (authentication ?? (key === undefined ? '' : 'private_key_jwt')) === 'private_key_jwt'
    const alien = (name: string) =>
      addIssue(context, [name], {
        found: `a key that does not go with ${byKey ? 'private_key_jwt' : 'a client secret'}`,
        expected: byKey ? 'key' : 'secret',
        at: 'key',
      })
    if (byKey && secret !== undefined) alien('secret')
    if (!byKey && key !== undefined) alien('key')
    if (!byKey && assertion_audience !== undefined) alien('assertion_audience')
    if (byKey ? key === undefined : secret === undefined) {
      const expected = authentication === undefined ? 'secret or key' : byKey ? 'key' : 'secret'
      addIssue(context, [], { found: `a client without ${expected}`, expected })
    }
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
  .superRefine(({ server, client, plaintext }, context) => {
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
    if (!isAcceptableTransport(new URL(server), plaintext)) addIssue(context, ['server'], openTransport)
  })

export type ExchangeInput = z.output<typeof exchangeSchema>
export type ClientInput = z.output<typeof clientSchema>
