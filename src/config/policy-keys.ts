import { z } from 'zod'
import { ok } from '../base/result.ts'
import { classifyHeader } from '../model/header-class.ts'
import { audience, filePath, name, parsedText } from './fields.ts'
import { addIssue } from './issue-detail.ts'

/** `policy` of a sidecar and of a hub. */
export const policyFile = filePath
  .optional()
  .describe(
    'File with the policy: who may exchange what, for whom, into which audience. Read again when it changes.',
  )

/** `environment` of a sidecar and of a hub. */
export const environmentName = name
  .optional()
  .describe(
    'Where this runs, such as `production`: for `require.environment` and `context.environment` of the policy.',
  )

/** Names that mean something to Hopgate or to a connection are not for callers to use. */
const callersHeader = parsedText(
  { title: 'the name of a header field of your own, such as X-Case-Id', pattern: '^[A-Za-z][A-Za-z0-9-]*$' },
  text => {
    const isFree = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/i.test(text) && classifyHeader(text) === 'end-to-end'
    return isFree ? ok(text.toLowerCase()) : { ok: false, error: 'is taken' }
  },
)

/** `context` of a sidecar. */
export const contextSchema = z
  .strictObject({
    case_id: callersHeader
      .optional()
      .describe(
        'The header that names the case, such as `X-Case-Id`. Absent: only `case_id` of a token does.',
      ),
    actor_token: callersHeader
      .optional()
      .describe(
        'The header with the token of the person who acts for the subject, such as `X-Support-Token`. It goes no further. Absent: nobody can act so.',
      ),
    trust_domain: audience
      .optional()
      .describe(
        'The trust domain whose Transaction Tokens are taken in `Txn-Token`, verified and handed on as they are. Absent: the header is dropped.',
      ),
  })
  .superRefine(({ case_id, actor_token }, context) => {
    if (case_id !== undefined && case_id === actor_token) {
      addIssue(context, ['actor_token'], { found: 'the header of case_id', expected: 'another one' })
    }
  })
