import type { AuditEvent, InboundFacts, OutboundFacts } from '../../src/model/audit-event.ts'

export function inboundFacts(about: Partial<InboundFacts> = {}): InboundFacts {
  return {
    issuer: 'https://login.test',
    subject: 'alice',
    clientId: 'shop-web',
    kind: 'user',
    actors: ['gateway', 'shop-web'],
    scope: 'openid orders:read',
    tokenId: 'jti-1',
    fingerprint: 'fingerprint-1',
    ...about,
  }
}

export function outboundFacts(about: Partial<OutboundFacts> = {}): OutboundFacts {
  return {
    audience: 'orders-api',
    actors: ['orders', 'gateway', 'shop-web'],
    scope: 'orders:read',
    source: 'memory',
    tokenId: 'jti-2',
    fingerprint: 'fingerprint-2',
    expiresAt: 1_800_000_300,
    ...about,
  }
}

/** The event of a hop that went well; each test says what its own is about. */
export function anAuditEvent(about: Partial<AuditEvent> = {}): AuditEvent {
  return {
    id: '01a31a4b-4c00-7000-8000-000000000001',
    at: 1_800_000_000.25,
    requestId: 'request-1',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    route: 'GET /orders/**',
    method: 'GET',
    path: '/orders/17',
    peer: '192.0.2.7',
    outcome: 'forwarded',
    status: 200,
    refusal: undefined,
    detail: undefined,
    inbound: inboundFacts(),
    outbound: outboundFacts(),
    person: undefined,
    caseId: undefined,
    decision: { rule: 'route GET /orders/**', effect: 'permit' },
    delivery: { status: 200, upstreamMs: 1.5, bytesIn: 0, bytesOut: 2, complete: true },
    stageMs: { accept: 0.01, authenticate: 0.004, authorize: 0.002, exchange: 0.003, forward: 1.6 },
    ...about,
  }
}

/** The event of a request that was refused before anything was known of it. */
export function aRefusedEvent(about: Partial<AuditEvent> = {}): AuditEvent {
  return anAuditEvent({
    traceId: undefined,
    traceparent: undefined,
    route: undefined,
    outcome: 'refused',
    status: 404,
    refusal: 'route.not_found',
    detail: 'no route matches',
    inbound: undefined,
    outbound: undefined,
    decision: undefined,
    delivery: undefined,
    stageMs: { accept: 0.02 },
    ...about,
  })
}
