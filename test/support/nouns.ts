import { Secret } from '../../src/base/secret.ts'
import type { AdmittedRequest } from '../../src/model/admitted-request.ts'
import type { IssuedToken } from '../../src/model/issued-token.ts'
import type { ProtectedRoute } from '../../src/model/route.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { scopeSet } from '../../src/oauth/scope-set.ts'
import { tokenType } from '../../src/oauth/token-type.ts'

/** Well-formed nouns for unit tests; each takes what the test is about. */

export function aRoute(about: Partial<ProtectedRoute> = {}): ProtectedRoute {
  return {
    kind: 'protected',
    verify: 'jwt',
    id: 'orders',
    match: { path: '/orders/**' },
    websocket: false,
    scope: scopeSet(['orders:read']),
    optionalScope: scopeSet([]),
    audience: 'orders-api',
    requestedTokenType: tokenType.accessToken,
    privileged: false,
    mode: 'delegation',
    ...about,
  }
}

export function aVerifiedToken(about: Partial<VerifiedToken> = {}): VerifiedToken {
  return {
    presented: new Secret('header.payload.signature'),
    tokenType: tokenType.accessToken,
    issuer: 'https://login.test',
    subject: 'alice',
    audience: ['shop-web'],
    clientId: 'shop-web',
    tokenId: 'jti-1',
    scope: scopeSet(['orders:read']),
    expiresAt: 2_000_000_000,
    fingerprint: 'fingerprint-1',
    claims: { sub: 'alice', iss: 'https://login.test' },
    ...about,
  }
}

export function anAdmittedRequest<R extends AdmittedRequest['route'] = ProtectedRoute>(
  about: Partial<AdmittedRequest<R>> = {},
): AdmittedRequest<R> {
  return {
    route: aRoute() as AdmittedRequest['route'] as R,
    method: 'GET',
    target: '/orders/17?x=1',
    path: '/orders/17',
    authority: 'orders.test',
    host: 'orders.test',
    authorization: undefined,
    actorToken: undefined,
    caseId: undefined,
    transactionToken: undefined,
    headers: [],
    peer: '127.0.0.1',
    hasBody: false,
    contentLength: undefined,
    expectsContinue: false,
    acceptsTrailers: false,
    announcesTrailers: false,
    grpcTimeoutMs: undefined,
    requestId: 'request-1',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    ...about,
  }
}

export function anIssuedToken(about: Partial<IssuedToken> = {}): IssuedToken {
  return {
    value: new Secret('issued.token.value'),
    issuedTokenType: tokenType.accessToken,
    audience: 'orders-api',
    scope: scopeSet(['orders:read']),
    actors: ['orders'],
    tokenId: 'jti-2',
    fingerprint: 'fingerprint-2',
    expiresAt: 2_000_000_000,
    ...about,
  }
}
