import { z } from 'zod'
import { fail, ok } from '../base/result.ts'
import { isAcceptableTransport } from '../base/transport.ts'
import { parsedText } from './fields.ts'
import { parseStrictUrl } from './strict-url.ts'

const webSchemes = ['https:', 'http:'] as const

/** A resource identifier that metadata is found by (RFC 9728 §1.2): a URL without query and fragment, kept as text. */
const resourceIdentifier = parsedText({ title: 'an https: URL without query', hidden: true }, text => {
  const url = parseStrictUrl(text, { schemes: webSchemes, path: true })
  if (!url.ok) return url
  return isAcceptableTransport(url.value, false) ? ok(text) : fail('is not https:')
})

const webPage = parsedText({ title: 'an https: or http: URL', hidden: true }, text => {
  const url = parseStrictUrl(text, { schemes: webSchemes, path: true, query: true })
  return url.ok ? ok(text) : url
})

/** What callers may read about this service without a token (RFC 9728). */
export const protectedResourceSchema = z.strictObject({
  resource: resourceIdentifier.describe(
    'The resource identifier: the URL of this service as callers know it. The metadata is at `/.well-known/oauth-protected-resource` followed by its path.',
  ),
  name: z
    .string()
    .regex(/^[^\p{Cc}]{1,256}$/u)
    .optional()
    .meta({ title: 'a name of up to 256 characters' })
    .describe('Its name, for people.'),
  documentation: webPage.optional().describe('Where developers read about it.'),
})
