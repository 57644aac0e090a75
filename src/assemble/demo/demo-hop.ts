import { setTimeout as sleep } from 'node:timers/promises'
import type { Secret } from '../../base/secret.ts'
import { type DemoService, type DemoSystem, demoPaths, demoServices } from './demo-system.ts'
import type { LegacyAnswer } from './legacy-service.ts'
import { sendPlain } from './plain-http.ts'

/** The `act` claim as it stands in a token: the current actor outermost (RFC 8693 §4.1). */
export interface ActClaim {
  readonly sub: string
  readonly act?: ActClaim
}

/** What one service was handed, told by the service itself, and where the gate had it from, told by the audit trail. */
export interface DemoHop {
  readonly service: DemoService
  readonly audience: string
  readonly subject: string
  readonly act: ActClaim | undefined
  readonly scope: string
  /** Seconds that the token had left when the service was asked. */
  readonly expiresIn: number
  readonly tokenId: string
  readonly source: string
}

/** Calls the storefront with a login token and follows the call through the services and the audit trails. */
export async function traceCall(
  system: DemoSystem,
  token: Secret,
  requestId: string,
): Promise<readonly DemoHop[]> {
  const answer = await sendPlain(`${system.gate('storefront').url}${demoPaths.storefront}`, {
    headers: { 'x-request-id': requestId },
    tokens: [token],
  })
  const now = Date.now() / 1000
  if (answer.status !== 200) throw new Error(`the storefront's gate answers ${answer.status}`)
  const hops: DemoHop[] = []
  let reached: LegacyAnswer | { readonly status: number } | undefined = JSON.parse(
    answer.body,
  ) as LegacyAnswer
  for (const service of demoServices) {
    if (reached === undefined) throw new Error(`nobody called ${service}`)
    if ('status' in reached) throw new Error(`the gate before ${service} answers ${reached.status}`)
    const { claims = {} } = reached.received
    hops.push({
      service,
      audience: String(claims['aud']),
      subject: String(claims['sub']),
      act: claims['act'] as ActClaim | undefined,
      scope: String(claims['scope'] ?? ''),
      expiresIn: Math.round(Number(claims['exp']) - now),
      tokenId: String(claims['jti']),
      source: await findSource(system, service, requestId),
    })
    reached = reached.next
  }
  return hops
}

/** The subjects of an `act` claim, current actor first. */
export function actors(act: ActClaim | undefined): readonly string[] {
  return act === undefined ? [] : [act.sub, ...actors(act.act)]
}

/** `data.outbound.source` of the request's audit event, which is written a moment after the answer. */
async function findSource(system: DemoSystem, service: DemoService, requestId: string): Promise<string> {
  for (const deadline = Date.now() + 3_000; Date.now() < deadline; await sleep(10)) {
    for (const { data } of system.folder.readAudit(service)) {
      if (isRecord(data) && data['request_id'] === requestId && isRecord(data['outbound'])) {
        return String(data['outbound']['source'])
      }
    }
  }
  throw new Error(`the audit trail of ${service} does not know the request ${requestId}`)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
