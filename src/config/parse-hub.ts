import { fail, ok, type Result } from '../base/result.ts'
import { buildAudit } from './build-audit.ts'
import { buildIssuers } from './build-issuers.ts'
import { buildHubListen, listenAddressOf } from './build-listen.ts'
import { buildStsBounds, buildStsExtras } from './build-sts.ts'
import { buildClusters, buildStsClients, buildTrustDomains } from './build-sts-clients.ts'
import { checkAdminAddress } from './check-addresses.ts'
import { checkStsClients, type StsTransport } from './check-sts.ts'
import { checkHubTlsFiles } from './check-tls.ts'
import type { ConfigProblem } from './config-problem.ts'
import { deepFreeze } from './freeze.ts'
import type { HubConfig } from './hub-config.ts'
import { type HubInput, hubSchema } from './hub-schema.ts'
import { openKeySets } from './key-set-file.ts'
import { checkHubPolicy, readPolicyFile } from './policy-file.ts'
import { type ParseOptions, readDocument } from './read-document.ts'

const secretPlaces = [
  { path: ['redis'], kind: 'redis' },
  { path: ['sts', 'tickets', 'key'], kind: 'key' },
  { path: ['sts', 'clients', '*', 'secret'], kind: 'secret' },
  { path: ['sts', 'clients', '*', 'secret', '*'], kind: 'secret' },
] as const

/** Turns the text of a hub's configuration into a frozen configuration, or into everything that is wrong with it. */
export function parseHubConfig(
  text: string,
  options: ParseOptions,
): Result<HubConfig, readonly ConfigProblem[]> {
  const read = readDocument(text, hubSchema, secretPlaces, options)
  if (!read.ok) return read
  const { input, parts, files, report, secretAt } = read.value
  checkAdminAddress(parts.listen && listenAddressOf(parts.listen), parts.admin, report)
  checkStsClients(parts.sts ?? {}, transportOf(parts.listen), report)
  checkHubTlsFiles(read.value)
  const keysAt = openKeySets(parts.sts?.clients ?? [], files, report)
  const policy = readPolicyFile(parts.policy, read.value, options)
  checkHubPolicy(parts.sts, parts.policy !== undefined, policy, report)
  const problems = report.problems()
  if (problems.length > 0 || input === undefined) return fail(problems)
  const { listen, admin, audit, redis, sts, environment } = input
  return ok(
    deepFreeze({
      listen: buildHubListen(listen, files),
      admin,
      redis: redis === undefined ? undefined : secretAt(['redis']),
      audit: buildAudit(audit, files),
      sts: {
        issuer: sts.issuer,
        keys: sts.keys === undefined ? undefined : files.resolve(sts.keys),
        algorithm: sts.algorithm,
        ...buildStsBounds(sts),
        ...buildStsExtras(sts, secretAt),
        issuers: buildIssuers(sts.issuers, files),
        clients: buildStsClients(sts, { files, secretAt, keysAt }),
        clusters: buildClusters(sts.clusters, files),
        trustDomains: buildTrustDomains(sts.trust_domains, files),
        policy,
        environment,
      },
    }),
  )
}

function transportOf(listen: HubInput['listen'] | undefined): StsTransport {
  if (listen === undefined || !('address' in listen) || listen.tls === undefined) return 'plaintext'
  return listen.tls.client_ca === undefined ? 'tls' : 'tls with client_ca'
}
