import { z } from 'zod'
import { fail, ok } from '../base/result.ts'
import { isAcceptableTransport } from '../base/transport.ts'
import { durationMs, flag, name, parsedText, strictUrl } from './fields.ts'
import { addIssue } from './issue-detail.ts'
import { openTransport } from './issuer-schema.ts'
import { secretReference } from './secret-reference.ts'

const claimName = parsedText({ title: 'the name of a claim' }, text =>
  /^[\x21-\x7e]{1,128}$/.test(text) ? ok(text) : fail(''),
)

const decisionCache = durationMs('0s', '5m')
const whenUnavailable = z.enum(['deny', 'ignore'])

/** `decision_points`: who decides beside the policy (OpenID AuthZEN Authorization API 1.0). */
export const decisionPointsSchema = z
  .record(
    name,
    z
      .strictObject({
        url: strictUrl('an https: URL', { schemes: ['https:', 'http:'], path: true, query: true }).describe(
          'Address of its access evaluation endpoint; `/access/v1/evaluation` when it has no path.',
        ),
        secret: secretReference.optional().describe('Sent as a bearer token.'),
        claims: z
          .array(claimName)
          .prefault([])
          .meta({ title: 'a list of names of claims' })
          .describe(
            'Claims of the presented token that it is told, besides who the subject and its actors are.',
          ),
        timeout: durationMs('1ms', '30s').prefault('1s').describe('One question ends within this time.'),
        cache: decisionCache
          .prefault('5s')
          .describe('How long a decision is used for the same question. `0s` asks every time.'),
        when_unavailable: whenUnavailable
          .prefault('deny')
          .describe('Without an answer: `deny`, or `ignore` and go by the policy alone.'),
        plaintext: flag
          .prefault(false)
          .describe('Allows `http:` to another machine. For tests and closed networks only.'),
      })
      .superRefine(({ url, plaintext }, context) => {
        if (!isAcceptableTransport(url, plaintext)) addIssue(context, ['url'], openTransport)
      }),
  )
  .meta({ title: 'a mapping of decision points' })

/** `decide` of a route. */
export const decideSchema = z
  .union([
    name,
    z.strictObject({
      point: name.describe('The name of the decision point.'),
      cache: decisionCache.optional().describe('Absent: as the decision point has it.'),
      when_unavailable: whenUnavailable.optional().describe('Absent: as the decision point has it.'),
    }),
  ])
  .meta({ title: 'the name of a decision point, or a mapping' })

export type DecisionPointsInput = z.output<typeof decisionPointsSchema>
export type DecideInput = z.output<typeof decideSchema>
