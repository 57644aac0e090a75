import { z } from 'zod'
import { fail, ok } from '../base/result.ts'
import { type RefusalCode, refusals } from '../model/refusal.ts'
import { exchangeModes } from '../oauth/exchange-mode.ts'
import {
  audience,
  clientId,
  durationSeconds,
  filePath,
  name,
  parseDuration,
  parsedText,
  scope,
  strictUrl,
} from './fields.ts'
import { refuseRepeats, requireOneOf } from './issue-detail.ts'

const text = z.string().min(1).max(1024)

/** RFC 3339, in seconds since 1970. */
const instant = parsedText({ title: 'a time such as 2026-01-07T12:00:00Z' }, written => {
  const isWhole = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(written)
  const ms = isWhole ? Date.parse(written) : Number.NaN
  return Number.isNaN(ms) ? fail('') : ok(ms / 1000)
})

/** Reads `+10m` or `-30s` as seconds; undefined for anything else. */
export function parseOffset(written: string): number | undefined {
  const ms = /^[+-]/.test(written) ? parseDuration(written.slice(1)) : undefined
  return ms === undefined ? undefined : (written.startsWith('-') ? -ms : ms) / 1000
}

const offset = parsedText({ title: 'a time from now on, such as +10m or -30s' }, written => {
  const seconds = parseOffset(written)
  return seconds === undefined ? fail('') : ok(seconds)
})

const claims = z.record(text, z.unknown()).meta({ title: 'a mapping of claims' })

const token = z.union([name, claims]).meta({ title: 'the name of one of tokens, or a mapping of claims' })

const approvalSchema = z.strictObject({
  approver: name.describe('Who approved.'),
  expires: offset.prefault('+10m').describe('When the approval ends.'),
  actor: text.optional().describe('Who may act. Absent here and below: what the case is about.'),
  actor_issuer: text.optional().describe('Who vouches for that name.'),
  subject: text.optional().describe('For whom.'),
  subject_issuer: text.optional().describe('Who vouches for that name.'),
  case_id: text.optional().describe('For which case.'),
  audience: audience.optional().describe('Into which audience.'),
  mode: z.enum(['delegation', 'impersonation']).optional().describe('Whether the actor is named.'),
  scope: scope.optional().describe('What may be asked for at most.'),
})

const shared = {
  actor: token.optional().describe('The token of the person who acts.'),
  now: instant.optional().describe('When it is asked. Absent: noon UTC on Wednesday, 7 January 2026.'),
  approval: approvalSchema.optional().describe('What a second person has approved.'),
}

const givenSchema = z.strictObject({
  mode: z.enum(exchangeModes).optional().describe('Absent: `delegation`.'),
  client: clientId
    .optional()
    .describe('Who asks, and acts unless a person does. Required, here or in `defaults`.'),
  subject: token.optional().describe('Whose token is exchanged.'),
  audience: audience.optional().describe('For which audience. Required, here or in `defaults`.'),
  scope: scope.optional().describe('What is asked for. Absent: nothing.'),
  case_id: text.optional().describe('The case that the request names.'),
  environment: text.optional().describe('Where the token service runs.'),
  ...shared,
})

const requestSchema = z.strictObject({
  config: filePath.optional().describe("The sidecar's configuration. Required, here or in `defaults`."),
  method: z
    .string()
    .regex(/^[A-Z]{1,32}$/)
    .optional()
    .meta({ title: 'a method such as GET' })
    .describe('Absent: `GET`.'),
  url: strictUrl('a URL such as http://orders.example/orders/17', {
    schemes: ['http:', 'https:'],
    path: true,
    query: true,
  })
    .optional()
    .describe('What is asked for. Required, here or in `defaults`.'),
  headers: z
    .record(text, z.string().max(8192))
    .optional()
    .meta({ title: 'a mapping of header fields' })
    .describe('Header fields besides `Host` and those with tokens.'),
  token: token.optional().describe('The token in `Authorization`. Absent: none.'),
  ...shared,
})

const stepUpSchema = z.strictObject({
  acr: z.array(text).min(1).optional().describe('Authentication context classes of which one is asked for.'),
  max_age: durationSeconds('1s', '24h').optional().describe('How old the login may be.'),
})

const expectSchema = z.strictObject({
  decision: z.enum(['permit', 'deny']).describe('Whether a token is issued.'),
  rule: text.optional().describe('The rule that permits, or came closest.'),
  reason: text.optional().describe('A part of the reason for the denial.'),
  scope: scope.optional().describe('What is granted, no more and no less.'),
  life: durationSeconds('1s', '24h').optional().describe('How long the issued token lives.'),
  mode: z.enum(exchangeModes).optional().describe('How the issued token relates to its subject.'),
  subject: text.optional().describe('`sub` of the issued token.'),
  act: z
    .array(text)
    .optional()
    .meta({ title: 'a list of actors' })
    .describe("`sub` of every actor in the issued token's `act`, the current one first."),
  step_up: stepUpSchema.optional().describe('The login that would be enough.'),
  approvers: z.array(name).min(1).optional().describe('Who could approve, where only that is missing.'),
  route: text.optional().describe('The route that the request is for.'),
  refusal: z
    .enum(Object.keys(refusals) as [RefusalCode, ...RefusalCode[]])
    .optional()
    .describe('How the sidecar refuses.'),
})

const caseSchema = z
  .strictObject({
    name: text.describe('What it is about; said when it fails.'),
    given: givenSchema.optional().describe('A question at the token service.'),
    request: requestSchema.optional().describe('A request at a sidecar.'),
    expect: expectSchema.describe('What must be answered.'),
  })
  .superRefine((value, context) => requireOneOf(value, ['given', 'request'], context))

/** What the author of tests writes. */
export const policySuiteSchema = z.strictObject({
  policy: filePath
    .optional()
    .describe('The policy that questions are put to. Required for them, unless `--policy` names one.'),
  hub: filePath
    .optional()
    .describe(
      "The hub's configuration. Then what it gives its clients counts as well, and it says `server`, `max_ttl` and, unless there is another one, `policy`.",
    ),
  server: text
    .prefault('https://hub.example.com')
    .describe('Issuer identifier of the token service: the `iss` of its tokens.'),
  issuer: text
    .optional()
    .describe(
      '`iss` of tokens that do not say. Absent: `https://login.example.com`, and at a sidecar its first issuer.',
    ),
  max_ttl: durationSeconds('1s', '24h').prefault('5m').describe('`sts.max_ttl` of the token service.'),
  env: z
    .record(text, z.string())
    .prefault({})
    .meta({ title: 'a mapping of variables to texts' })
    .describe('Variables for the configurations of sidecars, such as placeholders for secrets.'),
  tokens: z
    .record(name, claims)
    .prefault({})
    .meta({ title: 'a mapping of names to claims' })
    .describe(
      'Tokens for the cases, by name. `iss`, `aud`, `jti`, `iat` and `exp` are filled in; `exp`, `iat`, `nbf` and `auth_time` may be written as `+10m` or `-30s`.',
    ),
  defaults: z
    .strictObject({
      given: givenSchema.prefault({}).describe('For every `given` that does not say otherwise.'),
      request: requestSchema.prefault({}).describe('For every `request` that does not say otherwise.'),
    })
    .prefault({})
    .describe('What most cases have in common.'),
  cases: z
    .array(caseSchema)
    .min(1)
    .superRefine((cases, context) =>
      refuseRepeats(
        cases.map(one => one.name),
        'name',
        context,
      ),
    )
    .meta({ title: 'a list of cases' })
    .describe('The tests.'),
})

export type PolicySuiteInput = z.output<typeof policySuiteSchema>
