import { z } from 'zod'
import { isCostlyPattern } from '../base/pattern-cost.ts'
import { fail, ok } from '../base/result.ts'
import { exchangeModes } from '../oauth/exchange-mode.ts'
import { audience, clientId, durationSeconds, filePath, name, parsedText, purposes, scope } from './fields.ts'
import { addIssue, refuseRepeats, requireOneOf } from './issue-detail.ts'
import { publicKeySet } from './issuer-schema.ts'

const word = z.string().min(1).max(512)

function listOf<T extends z.ZodType>(item: T, title: string) {
  return z.array(item).min(1).meta({ title })
}

const texts = z
  .union([word.transform(one => [one]), z.array(word).min(1)])
  .meta({ title: 'a text, or a list of texts' })
const patterns = texts.meta({ title: 'a text or a list of texts, in which a last * stands for any rest' })

const scalar = z.union([z.string(), z.number(), z.boolean()])

const clientSchema = z.strictObject({
  kind: name.describe('A word of yours, such as `service`, `partner` or `worker`; rules can ask for it.'),
  attributes: z
    .record(name, z.union([scalar, z.array(scalar)]))
    .prefault({})
    .meta({ title: 'a mapping of names to texts, numbers, true or false, or lists of them' })
    .describe('For `when`, as `client.<name>`.'),
})

const audienceSchema = z.strictObject({
  scopes: scope.prefault([]).describe('Every scope that there is here.'),
  served_by: listOf(clientId, 'a list of client identifiers')
    .optional()
    .describe('The clients that stand in front of this audience: `into: own` is theirs.'),
})

const actorSchema = z.union([
  z.literal('anyone'),
  z.strictObject({
    subject: patterns.optional().describe('`sub` of the actor is one of these.'),
    issuer: texts.optional().describe('`iss` of the actor is one of these.'),
    roles: texts.optional().describe('The actor has one of these roles.'),
    tenant: z
      .union([z.literal('as-subject'), texts])
      .optional()
      .meta({ title: 'as-subject, or a list of tenants' })
      .describe('`as-subject`: actor and subject belong to the same tenant.'),
  }),
])

const timeOfDay = parsedText({ title: 'a time such as 08:00', pattern: '^\\d{2}:\\d{2}$' }, text => {
  const [, hour = '', minute = ''] = /^(\d{2}):(\d{2})$/.exec(text) ?? []
  const minutes = Number(hour) * 60 + Number(minute)
  const isTime = hour !== '' && Number(minute) < 60 && minutes <= 24 * 60
  return isTime ? ok(minutes) : fail('')
})

const timeZone = parsedText({ title: 'an IANA time zone such as Europe/Berlin' }, text => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return ok(text)
  } catch {
    return fail('')
  }
})

const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

const businessHoursSchema = z
  .strictObject({
    days: listOf(z.enum(days), 'a list of days such as mon')
      .prefault(['mon', 'tue', 'wed', 'thu', 'fri'])
      .transform(names => names.map(day => days.indexOf(day)))
      .describe('Days of the week.'),
    from: timeOfDay.describe('The first minute that counts.'),
    to: timeOfDay.describe('The first minute that no longer counts.'),
    timezone: timeZone.prefault('UTC').describe('Where these hours are.'),
  })
  .superRefine(({ from, to }, context) => {
    if (from >= to) addIssue(context, ['to'], { found: 'a time not after from', expected: 'a later one' })
  })

const casePattern = parsedText(
  {
    title:
      'a regular expression for the whole case id that repeats no group with several ways to match, or true',
  },
  text => {
    try {
      new RegExp(`^(?:${text})$`, 'u')
      return isCostlyPattern(text) ? fail('can take exponential time') : ok(text)
    } catch {
      return fail('is no regular expression')
    }
  },
)

const requireSchema = z.strictObject({
  case_id: z
    .union([z.literal(true).transform(() => '.+'), casePattern])
    .optional()
    .meta({ title: 'true, or a regular expression for the whole case id' })
    .describe('The request names a case: by the header in `context.case_id`, or by `case_id` of the token.'),
  acr: texts
    .optional()
    .describe('The login was of one of these classes (RFC 9470); of the person who acts, if one does.'),
  max_age: durationSeconds('1s', '24h').optional().describe('The login is not older (RFC 9470).'),
  approval: z
    .union([z.literal(true), texts])
    .optional()
    .meta({ title: 'true, or a list of approvers' })
    .describe(
      'A second person has approved this actor, subject, case, audience, mode and scope (`hopgate approve`).',
    ),
  environment: texts.optional().describe('`environment` of the configuration is one of these.'),
  business_hours: businessHoursSchema.optional().describe('Only at these times.'),
})

const ruleSchema = z
  .strictObject({
    id: name.describe('Its name in decisions and in the audit trail.'),
    mode: z
      .enum(exchangeModes)
      .prefault('delegation')
      .describe('`delegation` names who acts, `impersonation` does not, `machine` is a client for itself.'),
    who: z
      .strictObject({
        client: listOf(clientId, 'a list of client identifiers')
          .optional()
          .describe('One of these clients asks.'),
        kind: listOf(name, 'a list of kinds').optional().describe('A client of one of these kinds asks.'),
        actor: actorSchema
          .optional()
          .meta({ title: 'anyone, or a mapping' })
          .describe(
            'Who acts: a person with a token of their own, else the outermost `act`. Absent: nobody, or a client.',
          ),
      })
      .superRefine(({ client, kind }, context) => {
        if (client === undefined && kind === undefined) {
          addIssue(context, [], { found: 'neither client nor kind', expected: 'who asks' })
        }
      })
      .describe('Who asks, and who acts.'),
    for: z
      .strictObject({
        kind: listOf(z.enum(['user', 'machine']), 'a list of user and machine')
          .optional()
          .describe('What the subject is.'),
        subject: patterns.optional().describe('`sub` is one of these.'),
        issuer: texts.optional().describe('The subject is of one of these issuers.'),
        tenant: texts.optional().describe('The subject belongs to one of these tenants.'),
        attributes: z
          .record(word, z.union([scalar.transform(one => [one]), z.array(scalar).min(1)]))
          .prefault({})
          .meta({ title: 'a mapping of claims to values' })
          .describe('Claims that have, or hold, one of these values.'),
      })
      .optional()
      .describe('Whose token it is. Required, except for `mode: machine`, where there is none.'),
    into: z
      .union([z.literal('own'), listOf(audience, 'a list of audiences')])
      .meta({ title: 'own, or a list of audiences' })
      .describe('For which audience. `own`: every one that the client serves.'),
    scopes: scope
      .optional()
      .describe('What the issued token may hold at most. Absent: every scope of the audience.'),
    when: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .meta({ title: 'a CEL expression' })
      .describe('A CEL condition over `subject`, `actor`, `client`, `token`, `context`.'),
    ttl: durationSeconds('1s', '24h')
      .optional()
      .describe(
        'Longest life of the issued token. Absent: that of the token service; `1m` for an impersonation.',
      ),
    ticket: z
      .strictObject({
        issue: purposes.optional().describe('A service may put tickets of these purposes into a queue.'),
        redeem: purposes.optional().describe('A worker may redeem tickets of these purposes.'),
      })
      .superRefine((ticket, context) => requireOneOf(ticket, ['issue', 'redeem'], context))
      .optional()
      .describe('The rule is for tickets, and for nothing else. Absent: it is for no ticket.'),
    require: requireSchema.prefault({}).describe('What must be given on the occasion.'),
  })
  .superRefine((rule, context) => {
    const isMachine = rule.mode === 'machine'
    if (!isMachine && rule.for === undefined) {
      addIssue(context, ['for'], { found: 'nothing', expected: 'whose tokens, such as { kind: [user] }' })
    }
    if (isMachine && rule.for !== undefined) {
      addIssue(context, ['for'], {
        found: 'a subject',
        expected: 'none: a machine asks for itself',
        at: 'key',
      })
    }
    if (rule.ticket !== undefined && rule.mode !== 'delegation') {
      addIssue(context, ['ticket'], {
        found: `a ticket for ${rule.mode}`,
        expected: 'none: who redeems a ticket acts for its subject',
        at: 'key',
      })
    }
    if (isMachine && rule.who.actor !== undefined) {
      addIssue(context, ['who', 'actor'], {
        found: 'an actor',
        expected: 'none: a machine asks for itself',
        at: 'key',
      })
    }
  })

/** What the token service itself writes, or goes by: as a tenant or a role it would come to stand for that. */
const ownClaims: ReadonlySet<string> = new Set([
  ...[
    'iss',
    'sub',
    'aud',
    'exp',
    'nbf',
    'iat',
    'jti',
    'client_id',
    'scope',
    'act',
    'may_act',
    'cnf',
    'lineage',
  ],
  ...['acr', 'amr', 'auth_time', 'txn', 'sub_id', 'subject_kind', 'impersonator', 'case_id', 'purpose'],
  ...['req_wl', 'tctx', 'rctx', '__proto__'],
])

const membershipClaim = parsedText({ title: 'a claim that the token service does not write itself' }, text =>
  text !== '' && text.length <= 512 && !ownClaims.has(text)
    ? ok(text)
    : fail('is a claim that the token service writes itself'),
)

const approverSchema = z
  .strictObject({
    file: filePath.optional().describe("File with the JWK set of this person's public keys."),
    inline: publicKeySet.optional().describe('The JWK set itself.'),
    subject: word
      .optional()
      .describe(
        'Their `sub` at the login provider: nobody approves what they do themselves. Absent: the name.',
      ),
  })
  .superRefine((keys, context) => requireOneOf(keys, ['file', 'inline'], context))

/** What the author of a policy writes. */
export const policySchema = z.strictObject({
  clients: z
    .record(clientId, clientSchema)
    .meta({ title: 'a mapping of client identifiers' })
    .describe('Clients of the token service, workloads among them.'),
  audiences: z
    .record(audience, audienceSchema)
    .meta({ title: 'a mapping of audiences' })
    .describe('Every audience that there is.'),
  rules: z
    .array(ruleSchema)
    .superRefine((rules, context) =>
      refuseRepeats(
        rules.map(({ id }) => id),
        'id',
        context,
      ),
    )
    .meta({ title: 'a list of rules' })
    .describe('What is permitted; nothing else is. The first rule that permits decides.'),
  claims: z
    .strictObject({
      tenant: membershipClaim.prefault('tenant').describe('The claim that names the tenant: one text.'),
      roles: membershipClaim.prefault('roles').describe('The claim that names the roles: a list of texts.'),
    })
    .prefault({})
    .describe('Which claims say what the rules speak of.'),
  approvers: z
    .record(name, approverSchema)
    .prefault({})
    .meta({ title: 'a mapping of names' })
    .describe('People who may approve, and the keys that they sign with.'),
})

export type PolicyInput = z.output<typeof policySchema>
