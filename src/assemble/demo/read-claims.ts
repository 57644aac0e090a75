import type { Secret } from '../../base/secret.ts'

/** The claims of a JWT, only decoded: for showing what a service was handed, never for deciding. */
export function readClaims(token: Secret | undefined): Readonly<Record<string, unknown>> | undefined {
  const payload = token?.expose().split('.')[1]
  if (payload === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null ? { ...claims } : undefined
  } catch {
    return undefined
  }
}
