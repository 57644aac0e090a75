import { request } from 'node:http'
import type { Secret } from '../../base/secret.ts'

/** An answer of one of the demo's own loopback services. */
export interface PlainAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly setCookie: readonly string[]
  readonly body: string
}

export interface PlainRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** One `Authorization: Bearer` field each; more than one is what no gate may take. */
  readonly tokens?: readonly Secret[]
  readonly body?: string
  /** Default 10 s. */
  readonly timeoutMs?: number
}

/**
 * Sends what an ordinary program would: nothing of Hopgate is in the way. For the demo's browser and services, which
 * stand outside of Hopgate; whatever Hopgate itself sends goes through `base/http-client.ts`.
 */
export function sendPlain(url: URL | string, plain: PlainRequest = {}): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: plain.method ?? 'GET',
        headers: headerFields(new URL(url).host, plain),
        agent: false,
        signal: AbortSignal.timeout(plain.timeoutMs ?? 10_000),
      },
      incoming => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const { 'set-cookie': setCookie = [], ...headers } = incoming.headers
          resolve({
            status: incoming.statusCode ?? 0,
            headers: Object.fromEntries(
              Object.entries(headers).map(([name, value]) => [
                name,
                Array.isArray(value) ? value.join(', ') : value,
              ]),
            ),
            setCookie,
            body: Buffer.concat(chunks).toString('utf8'),
          })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(plain.body)
  })
}

/** Names and values in turn, the only shape in which `node:http` sends a field twice. It adds no `Host` then. */
function headerFields(host: string, { headers = {}, tokens = [], body }: PlainRequest): string[] {
  const fields = ['Host', host, ...Object.entries(headers).flat()]
  for (const token of tokens) fields.push('Authorization', `Bearer ${token.expose()}`)
  if (body !== undefined) fields.push('Content-Length', String(Buffer.byteLength(body)))
  return fields
}
