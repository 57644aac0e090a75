import { z } from 'zod'
import { fail, ok } from '../base/result.ts'
import { usualMethods } from '../model/route-order.ts'
import { exchangeModes } from '../oauth/exchange-mode.ts'
import { isAcrValue } from '../oauth/step-up.ts'
import { type TokenTypeUri, tokenType } from '../oauth/token-type.ts'
import { decideSchema } from './decision-point-schema.ts'
import {
  audience,
  clientId,
  durationMs,
  durationSeconds,
  flag,
  name,
  origin,
  parsedText,
  resource,
  routeHost,
  routePath,
  scope,
} from './fields.ts'
import { addIssue } from './issue-detail.ts'

/** The methods that a route may name: those that Hopgate forwards and that exist (RFC 9110, RFC 5789, RFC 4918). */
const methods = [
  ...usualMethods,
  'PROPFIND',
  'PROPPATCH',
  'MKCOL',
  'COPY',
  'MOVE',
  'LOCK',
  'UNLOCK',
  'REPORT',
  'SEARCH',
] as const

const requestedTokenType = parsedText({ title: 'access_token, jwt, or a token type URI' }, text => {
  if (text === 'access_token') return ok<TokenTypeUri>(tokenType.accessToken)
  if (text === 'jwt') return ok<TokenTypeUri>(tokenType.jwt)
  const known: readonly string[] = Object.values(tokenType)
  if (known.includes(text) && text !== tokenType.accessToken && text !== tokenType.jwt) {
    return fail('is no token for a hop')
  }
  return /^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/.test(text) ? ok<TokenTypeUri>(text) : fail('')
})

const acrValue = parsedText({ title: 'an acr value: visible ASCII without blanks, " and \\\\' }, text =>
  isAcrValue(text) ? ok(text) : fail(''),
)

/** `require` of a route. */
const stepUpSchema = z
  .strictObject({
    acr: z
      .union([acrValue.transform(value => [value]), z.array(acrValue).min(1).max(16)])
      .optional()
      .meta({ title: 'an acr value without blanks, or a list of them' })
      .describe(
        '`acr` of the presented token must be this or one of these; the first is what is asked for first.',
      ),
    max_age: durationSeconds('0s', '366d')
      .optional()
      .describe('How long ago `auth_time` of the presented token may be.'),
  })
  .superRefine(({ acr, max_age: maxAge }, context) => {
    if (acr !== undefined || maxAge !== undefined) return
    addIssue(context, [], { found: 'nothing that is required', expected: 'acr, max_age or both' })
  })

/** One entry of `routes`. */
export const routeSchema = z
  .strictObject({
    path: routePath.describe(
      'Literal segments, `{name}` for one segment, a last `**` for any rest (none included). The most specific route wins, wherever it stands: a literal before `{name}` before `**`, from the left; then a named host; then named methods.',
    ),
    host: routeHost.optional().describe('Only requests for this host. Absent: any host.'),
    methods: z
      .array(z.enum(methods))
      .min(1)
      .optional()
      .meta({ title: 'a list of methods' })
      .describe(
        'Only these methods; `GET` does not imply `HEAD`. Absent: `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`, `QUERY`.',
      ),
    name: name.optional().describe('The name in audit, metrics and logs. Absent: methods, host and path.'),
    public: flag
      .prefault(false)
      .describe(
        'Forwards anonymous requests, and no token. Excludes everything below but `timeout` and `websocket`.',
      ),
    verify: z
      .enum(['jwt', 'introspection', 'both'])
      .optional()
      .describe(
        'How the presented token is verified: by its signature, by asking its issuer (`issuers[].introspection`), or by both, which must agree. Absent: `jwt`.',
      ),
    audience: audience
      .optional()
      .describe('The one audience that the issued token is good for. Required unless public.'),
    resource: resource
      .optional()
      .describe('Resource indicator (RFC 8707) that is sent along with the audience.'),
    scope: scope
      .optional()
      .describe('Scopes that the presented token must hold; they are asked for in the exchange.'),
    optional_scope: scope
      .optional()
      .describe('Scopes that are asked for as well when the presented token holds them.'),
    clients: z
      .array(clientId)
      .min(1)
      .optional()
      .meta({ title: 'a list of client identifiers' })
      .describe('Clients whose tokens may be used here (`client_id` or `azp`). Absent: any.'),
    allow: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .meta({ title: 'a CEL expression' })
      .describe('A CEL expression over `subject`, `actor`, `client`, `token`, `request` that must be true.'),
    decide: decideSchema
      .optional()
      .describe(
        'A decision point that must permit as well what everything else permits. Absent: nobody is asked.',
      ),
    require: stepUpSchema
      .optional()
      .describe(
        'How the user must have authenticated, or else a step-up challenge (RFC 9470) is the answer.',
      ),
    ttl: durationSeconds('1s', '24h').optional().describe("Upper bound on the issued token's life here."),
    mode: z
      .enum(exchangeModes)
      .optional()
      .describe(
        '`delegation` names who acts in the issued token; `impersonation` names nobody, and needs a rule of the policy; `machine` is for callers that act for themselves: the sidecar uses a token of its own (client credentials). Absent: `delegation`.',
      ),
    identity: z
      .literal('dual')
      .optional()
      .describe(
        "`dual`: the sidecar's own token goes into `Authorization`, and a Transaction Token for the caller into `Txn-Token`. Needs `context.trust_domain`.",
      ),
    requested_token_type: requestedTokenType.optional().describe('What to ask for. Absent: `access_token`.'),
    privileged: flag
      .optional()
      .describe('Refuses while the audit event of the request could be lost. Absent: `false`.'),
    timeout: durationMs('1ms', '24h')
      .optional()
      .describe(
        "From a request's arrival to the end of its response. Absent: no limit but those of `timeouts`. Upgraded connections have their own.",
      ),
    websocket: z
      .union([
        flag,
        z.strictObject({
          origins: z
            .array(origin)
            .min(1)
            .meta({ title: 'a list of origins' })
            .describe('Pages of other origins are refused. Compared byte for byte with `Origin`.'),
        }),
      ])
      .meta({ title: 'true, false, or { origins: [https://app.example.com] }' })
      .prefault(false)
      .describe(
        'Lets `Upgrade: websocket` pass. With `origins`, a request that has an `Origin` must have one of them, byte for byte; who is no browser has none.',
      ),
  })
  .superRefine((route, context) => {
    if (!route.public) {
      if (route.identity === 'dual' && route.mode !== undefined && route.mode !== 'machine') {
        addIssue(context, ['mode'], {
          found: `${route.mode} beside identity: dual`,
          expected: 'one of them, or machine',
          at: 'key',
        })
      }
      if (route.audience === undefined) {
        addIssue(context, ['audience'], { found: 'nothing', expected: 'an audience, or public: true' })
      }
      return
    }
    for (const key of protectedKeys) {
      if (route[key] === undefined) continue
      addIssue(context, [key], {
        found: 'a key that means nothing on a public route',
        expected: 'one without the other',
        at: 'key',
      })
    }
  })

/** The keys that only a protected route has. */
const protectedKeys = [
  'verify',
  'audience',
  'resource',
  'scope',
  'optional_scope',
  'clients',
  'allow',
  'decide',
  'require',
  'ttl',
  'mode',
  'identity',
  'requested_token_type',
  'privileged',
] as const

export type RouteInput = z.output<typeof routeSchema>
