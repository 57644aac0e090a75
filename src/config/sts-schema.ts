import { z } from 'zod'
import { audience, durationSeconds, filePath, wholeNumber } from './fields.ts'
import { issuerList, issuerUrl } from './issuer-schema.ts'
import { secretReference } from './secret-reference.ts'
import { clientList, rateLimit } from './sts-client-schema.ts'
import { clusterList, trustDomainList } from './workload-schema.ts'

const common = {
  keys: filePath
    .optional()
    .describe(
      'File with the private signing keys, made on first start. Absent: keys live in memory and end with the process.',
    ),
  algorithm: z
    .enum(['ES256', 'EdDSA', 'RS256', 'PS256'])
    .prefault('ES256')
    .describe(
      'What new signing keys are for: the first one, and those of `hopgate keys rotate`. Keys that are there keep theirs.',
    ),
  max_ttl: durationSeconds('1s', '24h').prefault('5m').describe('Longest life of an issued token.'),
  rate_limit: rateLimit
    .prefault({ requests: 1_000 })
    .describe(
      'How many requests one client may send, over all endpoints, to each process; the rest are answered 429.',
    ),
  trust_domain: audience
    .optional()
    .describe('Name of the trust domain: the audience of Transaction Tokens. Absent: there are none.'),
  tickets: z
    .strictObject({
      key: secretReference.describe(
        'Seals them: 32 characters or more, the same for all replicas. Another key refuses what was sealed before.',
      ),
      ttl: durationSeconds('1s', '7d').prefault('15m').describe('Longest life of a ticket.'),
    })
    .optional()
    .describe('Tickets for queue workers. Absent: there are none.'),
  max_actor_depth: wholeNumber(1, 32).prefault(8).describe('Deepest `act` chain of an issued token.'),
  max_actor_bytes: wholeNumber(64, 65_536)
    .prefault(2_048)
    .describe('Longest `act` claim of an issued token, in bytes.'),
  max_actor_visits: wholeNumber(1, 32)
    .prefault(2)
    .describe('How often one actor may be in an `act` chain: twice is a callback, more is a loop.'),
  clusters: clusterList.prefault([]).describe('Kubernetes clusters whose service accounts are clients.'),
  trust_domains: trustDomainList.prefault([]).describe('SPIFFE trust domains whose workloads are clients.'),
}

/** `sts` of a hub. */
export const hubStsSchema = z.strictObject({
  issuer: issuerUrl.describe('Issuer identifier (RFC 8414); the endpoints live below it.'),
  ...common,
  issuers: issuerList.min(1).describe('Whose tokens may be exchanged.'),
  clients: clientList.min(1).describe('Who may exchange, and what for.'),
})

/** `sts` of a sidecar, where everything has a default and the sidecar is a client by itself. */
export const sidecarStsSchema = z.strictObject({
  issuer: issuerUrl
    .optional()
    .describe('Issuer identifier (RFC 8414). Absent: `http://127.0.0.1:` and the port of `admin`.'),
  ...common,
  issuers: issuerList
    .min(1)
    .optional()
    .describe("Whose tokens may be exchanged. Absent: the sidecar's issuers."),
  clients: clientList
    .prefault([])
    .describe('Further clients. The sidecar itself is one without being listed, with what its routes need.'),
})

export type StsInput = z.output<typeof hubStsSchema>
