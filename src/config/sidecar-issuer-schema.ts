import { z } from 'zod'
import { isAcceptableTransport } from '../base/transport.ts'
import { introspectionSchema } from './introspection-schema.ts'
import { addIssue } from './issue-detail.ts'
import { checkKeyLocation, issuerKeys, openTransport, refuseSameIssuers } from './issuer-schema.ts'

/** One entry of a sidecar's `issuers`, which may be asked about its tokens. */
const sidecarIssuerSchema = z
  .strictObject({
    ...issuerKeys,
    introspection: introspectionSchema
      .optional()
      .describe('How to ask the issuer about its tokens, for routes with `verify: introspection` or `both`.'),
  })
  .superRefine((input, context) => {
    checkKeyLocation(input, context)
    const { issuer, plaintext, introspection } = input
    if (introspection === undefined) return
    const { endpoint } = introspection
    if (endpoint !== undefined && !isAcceptableTransport(endpoint, plaintext)) {
      addIssue(context, ['introspection', 'endpoint'], openTransport)
    } else if (endpoint === undefined && !/^https?:/.test(issuer)) {
      const found = 'an issuer that is no URL, so that no endpoint can be found by it'
      addIssue(context, ['introspection'], { found, expected: 'endpoint in it' })
    }
  })

/** `issuers` of a sidecar. */
export const sidecarIssuerList = z
  .array(sidecarIssuerSchema)
  .superRefine(refuseSameIssuers)
  .meta({ title: 'a list of issuers' })

export type SidecarIssuerInput = z.output<typeof sidecarIssuerSchema>
