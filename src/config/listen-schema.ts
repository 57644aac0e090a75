import { z } from 'zod'
import { filePath, flag, listenAddress, spiffeIds } from './fields.ts'
import { addIssue } from './issue-detail.ts'

const ownCertificate = {
  cert: filePath.describe('PEM file with the certificate, and what leads from it to its authority.'),
  key: filePath.describe('PEM file with the private key of the certificate, not encrypted.'),
}

const minVersion = z
  .enum(['TLSv1.2', 'TLSv1.3'])
  .prefault('TLSv1.2')
  .describe('The oldest TLS that is spoken.')

const listenTls = z
  .strictObject({
    ...ownCertificate,
    client_ca: filePath
      .optional()
      .describe('PEM file with the authorities of client certificates. Absent: none are asked for.'),
    client_certificate: z
      .enum(['required', 'optional'])
      .optional()
      .meta({ default: 'required' })
      .describe(
        'Whether a client must present a certificate, with `client_ca`. One that is presented must be good.',
      ),
    spiffe_ids: spiffeIds
      .optional()
      .describe('Clients by the SPIFFE ID in their certificate. Absent: any certificate of `client_ca`.'),
    min_version: minVersion,
  })
  .superRefine((tls, context) => {
    if (tls.client_ca !== undefined) return
    for (const key of ['client_certificate', 'spiffe_ids'] as const) {
      if (tls[key] === undefined) continue
      const found = 'a key that means nothing without client_ca'
      addIssue(context, [key], { found, expected: 'client_ca beside it', at: 'key' })
    }
  })

/** `listen` of a sidecar: an address, or a mapping with one. */
export const listenSchema = z
  .union([
    listenAddress,
    z.strictObject({
      address: listenAddress.describe('Host and port, as in the short form.'),
      tls: listenTls.optional().describe('TLS on this port. Absent: plain HTTP.'),
      http2: flag
        .prefault(true)
        .describe('Speaks HTTP/2 beside HTTP/1.1: by ALPN with TLS, by prior knowledge without.'),
    }),
  ])
  .meta({ title: 'host:port such as 0.0.0.0:8080 or [::]:8080, or a mapping' })

export type ListenInput = z.output<typeof listenSchema>

/** `listen` of a hub. Who its clients are is found out by the token service, so that nobody needs a certificate here. */
export const hubListenSchema = z
  .union([
    listenAddress,
    z.strictObject({
      address: listenAddress.describe('Host and port, as in the short form.'),
      tls: z
        .strictObject({
          ...ownCertificate,
          client_ca: filePath
            .optional()
            .describe(
              'PEM file with the authorities of the certificates of clients (`tls_client_auth`, `spiffe_x509`).',
            ),
          min_version: minVersion,
        })
        .optional()
        .describe('TLS on this port. Absent: plain HTTP.'),
    }),
  ])
  .meta({ title: 'host:port such as 0.0.0.0:8080 or [::]:8080, or a mapping' })

export type HubListenInput = z.output<typeof hubListenSchema>
