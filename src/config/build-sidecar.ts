import type { PolicyDocument } from '../policy/document.ts'
import { buildAudit } from './build-audit.ts'
import { buildDecisionPoints } from './build-decision-points.ts'
import { buildExchange } from './build-exchange.ts'
import { buildSidecarIssuers } from './build-issuers.ts'
import { buildListen } from './build-listen.ts'
import { buildRoutes } from './build-routes.ts'
import { buildSidecarSts } from './build-sts.ts'
import { buildUpstream } from './build-upstream.ts'
import type { OpenKeySets } from './key-set-file.ts'
import { policyDigest } from './policy-digest.ts'
import type { ConfigDocument } from './read-document.ts'
import type { SidecarConfig } from './sidecar-config.ts'
import type { SidecarInput } from './sidecar-schema.ts'

/** Turns a document without problems into a configuration. */
export function buildSidecar(
  input: SidecarInput,
  document: ConfigDocument<SidecarInput>,
  keysAt: OpenKeySets,
  policy: PolicyDocument | undefined,
): SidecarConfig {
  const { files, secretAt } = document
  const { service, listen, admin, upstream, cache, limits, timeouts, environment, context } = input
  const issuers = buildSidecarIssuers(service, input.issuers, document)
  const routes = buildRoutes(input.routes, input.decision_points, context.trust_domain)
  const sts = buildSidecarSts(input, issuers, routes, document, keysAt, policy)
  const exchange = buildExchange(input, sts, document)
  const decisionPoints = buildDecisionPoints(input.decision_points, secretAt)
  const headers = {
    caseId: context.case_id,
    actorToken: context.actor_token,
    ...(context.trust_domain !== undefined && { trustDomain: context.trust_domain }),
  }
  return {
    service,
    listen: buildListen(listen, files),
    admin,
    upstream: buildUpstream(upstream, files),
    workers: input.workers,
    issuers,
    exchange,
    routes,
    sts,
    cache: {
      redis: cache.redis === undefined ? undefined : secretAt(['cache', 'redis']),
      prefix: cache.prefix,
      timeoutMs: cache.timeout,
      maxEntries: cache.max_entries,
      maxBytes: cache.max_bytes,
    },
    limits: {
      headerBytes: limits.headers,
      headerCount: limits.header_count,
      targetBytes: limits.target,
      bodyBytes: limits.body,
      tokenBytes: limits.token,
      connections: limits.connections,
      requests: limits.requests,
      eventLoopDelayMs: limits.event_loop_delay,
      memoryBytes: limits.memory,
      requestsPerConnection: limits.requests_per_connection,
      streamsPerConnection: limits.streams_per_connection,
    },
    timeouts: {
      headersMs: timeouts.headers,
      keepAliveMs: timeouts.keep_alive,
      bodyIdleMs: timeouts.body_idle,
      upstreamConnectMs: timeouts.upstream_connect,
      upstreamHeadersMs: timeouts.upstream_headers,
      websocketIdleMs: timeouts.websocket_idle,
      drainMs: timeouts.drain,
    },
    audit: buildAudit(input.audit, files),
    forwarded: { trustedProxies: input.forwarded.trusted_proxies },
    protectedResource: input.protected_resource && {
      resource: input.protected_resource.resource,
      name: input.protected_resource.name,
      documentation: input.protected_resource.documentation,
    },
    policy,
    environment,
    context: headers,
    decisionPoints,
    policyDigest: policyDigest({
      issuers,
      exchange,
      routes,
      sts,
      policy,
      environment,
      context: headers,
      decisionPoints,
    }),
  }
}
