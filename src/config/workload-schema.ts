import { z } from 'zod'
import { fail, ok } from '../base/result.ts'
import { isTrustDomain } from '../base/spiffe-id.ts'
import { durationSeconds, filePath, flag, parsedText, strictUrl } from './fields.ts'
import { addIssue, refuseRepeats, requireOneOf } from './issue-detail.ts'
import { algorithmList, checkKeyLocation, issuerName, keySource } from './issuer-schema.ts'

const ca = filePath
  .optional()
  .describe(
    'PEM file with the authorities for the server that keys are fetched from. Absent: those that Node brings.',
  )

const clusterSchema = z
  .strictObject({
    issuer: issuerName.describe("`iss` of the cluster's tokens: its `--service-account-issuer`."),
    algorithms: algorithmList.describe('Accepted `alg` values.'),
    keys: keySource
      .optional()
      .describe(
        "Where the public keys come from: one of the following. Without it, from the issuer's metadata.",
      ),
    ca,
    max_lifetime: durationSeconds('10m', '366d')
      .prefault('24h')
      .describe('Tokens that are made to live longer than this are refused.'),
    plaintext: flag
      .prefault(false)
      .describe(
        'Allows `http:` for metadata and keys outside this machine. For tests and closed networks only.',
      ),
  })
  .superRefine(checkKeyLocation)

/** `sts.clusters`: whose service accounts may be clients. */
export const clusterList = z
  .array(clusterSchema)
  .superRefine((clusters, context) => {
    refuseRepeats(
      clusters.map(({ issuer }) => issuer),
      'issuer',
      context,
    )
  })
  .meta({ title: 'a list of clusters' })

const bundle = z
  .strictObject({
    url: strictUrl('an https: URL', { schemes: ['https:'], path: true, query: true })
      .optional()
      .describe('Its bundle endpoint, with a certificate of the web (`https_web`).'),
    file: filePath.optional().describe('File with the bundle, read again when it changes.'),
  })
  .superRefine((source, context) => requireOneOf(source, ['url', 'file'], context))

const trustDomainSchema = z
  .strictObject({
    name: parsedText({ title: 'a trust domain such as example.org' }, text =>
      isTrustDomain(text) ? ok(text) : fail(''),
    ).describe('What stands behind `spiffe://`.'),
    bundle: bundle
      .optional()
      .describe('Its bundle, whose keys for `jwt-svid` JWT-SVIDs are verified with: one of the following.'),
    authorities: filePath
      .optional()
      .describe(
        'PEM file with its authorities, for X.509-SVIDs. They must be in `listen.tls.client_ca` as well.',
      ),
    ca,
  })
  .superRefine((domain, context) => {
    if (domain.bundle !== undefined || domain.authorities !== undefined) return
    addIssue(context, [], {
      found: 'neither bundle nor authorities',
      expected: 'at least one of bundle, authorities',
    })
  })

/** `sts.trust_domains`: whose SPIFFE IDs may be clients. */
export const trustDomainList = z
  .array(trustDomainSchema)
  .superRefine((domains, context) => {
    refuseRepeats(
      domains.map(({ name }) => name),
      'name',
      context,
    )
  })
  .meta({ title: 'a list of trust domains' })

export type ClusterInput = z.output<typeof clusterSchema>
export type TrustDomainInput = z.output<typeof trustDomainSchema>
