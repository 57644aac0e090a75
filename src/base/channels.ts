import { channel } from 'node:diagnostics_channel'

/**
 * Background happenings, published where they occur and counted where the metrics are: libraries and stages stay
 * silent. One channel each, named `hop:*`; the message is in the comment.
 */
export const channels = {
  /** `{ issuer: string, outcome: 'ok' | 'failed' }`: a key set was fetched. */
  keySet: channel('hop:key-set'),
  /** `{ state: 'up' | 'down' }`: the Redis tier changed. */
  redis: channel('hop:redis'),
  /** `{ reason: string }`: a stored entry did not open; somebody wrote to Redis or the key changed. */
  cacheRejected: channel('hop:cache-rejected'),
  /** `{ outcome: 'ok' | 'rejected' | 'malformed' | 'unavailable', durationMs: number }`: a call to the token endpoint ended. */
  tokenEndpoint: channel('hop:token-endpoint'),
  /** `{ outcome: 'active' | 'inactive' | 'unavailable', durationMs: number }`: an issuer was asked about a token. */
  introspection: channel('hop:introspection'),
  /** `{ point: string, outcome: 'permit' | 'deny' | 'unavailable', durationMs: number }`: a decision point was asked. */
  decisionPoint: channel('hop:decision-point'),
  /** `{ state: 'open' | 'half-open' | 'closed' }`: the token endpoint's circuit breaker. */
  breaker: channel('hop:breaker'),
  /** `{ outcome: 'applied' | 'rejected' }`: the configuration was read again. */
  reload: channel('hop:reload'),
  /**
   * `{ endpoint: 'token' | 'introspection' | 'revocation', kind: 'issued' | 'refused' | 'revoked' | 'active' | 'inactive',
   * error: string | undefined }`: the token service answered a client.
   */
  tokenService: channel('hop:token-service'),
  /** `{ client: string }`: the token service issued a token in which nobody but the subject is named. */
  impersonation: channel('hop:impersonation'),
  /** `{ client: string }`: a client of the token service sent more requests than its rate limit allows. */
  clientLimited: channel('hop:client-limited'),
  /** `{ digest: string }`: this policy is in force now. */
  policy: channel('hop:policy'),
  /** `{ worker: number }`: a worker ended without being told to. */
  workerExit: channel('hop:worker-exit'),
  /** `{ lost: number }`: audit events that could not be kept. */
  auditLost: channel('hop:audit-lost'),
} as const
