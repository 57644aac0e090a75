import { isIP } from 'node:net'
import { z } from 'zod'
import { fail, ok } from '../base/result.ts'
import { filePath, parsedText, spiffeIds, strictUrl } from './fields.ts'
import { addIssue } from './issue-detail.ts'
import { isCanonicalHost } from './strict-url.ts'

const upstreamUrl = strictUrl('an http: or https: URL without path, such as http://127.0.0.1:3000', {
  schemes: ['http:', 'https:'],
})

/** A name for SNI, which carries no addresses (RFC 6066 §3). */
const serverName = parsedText({ title: 'a lower-case host name' }, text =>
  isCanonicalHost(text) && !text.startsWith('[') && isIP(text) === 0 ? ok(text) : fail(''),
)

const upstreamTls = z
  .strictObject({
    ca: filePath
      .optional()
      .describe("PEM file with the authorities of the server's certificate. Absent: those that Node brings."),
    cert: filePath
      .optional()
      .describe('PEM file with the own certificate, and what leads from it to its authority. With `key`.'),
    key: filePath.optional().describe('PEM file with the private key of `cert`, not encrypted.'),
    server_name: serverName
      .optional()
      .describe('The name to ask for (SNI) and to find in the certificate. Absent: the host of `url`.'),
    spiffe_ids: spiffeIds
      .optional()
      .describe('The server by the SPIFFE ID in its certificate, instead of a name. Only with `ca`.'),
  })
  .superRefine(({ ca, cert, key, spiffe_ids }, context) => {
    if (cert === undefined && key !== undefined) {
      addIssue(context, ['key'], { found: 'a key without cert', expected: 'both or none', at: 'key' })
    }
    if (key === undefined && cert !== undefined) {
      addIssue(context, ['cert'], { found: 'a certificate without key', expected: 'both or none', at: 'key' })
    }
    if (spiffe_ids !== undefined && ca === undefined) {
      const found = 'a key that means nothing without ca'
      addIssue(context, ['spiffe_ids'], { found, expected: 'ca beside it', at: 'key' })
    }
  })

/** `upstream` of a sidecar: a URL, or a mapping with one. */
export const upstreamSchema = z
  .union([
    upstreamUrl,
    z
      .strictObject({
        url: upstreamUrl.describe('Scheme, host and port, as in the short form.'),
        protocol: z
          .enum(['http1', 'h2'])
          .prefault('http1')
          .describe(
            '`h2` is HTTP/2: by ALPN over `https:`, by prior knowledge (h2c) over `http:`. WebSockets go over HTTP/1.1 to the same address.',
          ),
        tls: upstreamTls
          .optional()
          .describe('Whom to trust and who to be; `https:` only. The certificate is checked in any case.'),
      })
      .superRefine(({ url, tls }, context) => {
        if (tls === undefined || url.protocol === 'https:') return
        const found = 'a tls section beside an http: URL'
        addIssue(context, ['tls'], { found, expected: 'an https: URL, or no tls', at: 'key' })
      }),
  ])
  .meta({ title: 'an http: or https: URL without path, such as http://127.0.0.1:3000, or a mapping' })

export type UpstreamInput = z.output<typeof upstreamSchema>
