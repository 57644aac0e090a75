/** The claims of a bearer token, only decoded: for showing what a service was handed, never for deciding. */
export function readClaims(authorization: string | undefined): Readonly<Record<string, unknown>> | undefined {
  const payload = authorization?.match(/^Bearer [^.\s]+\.([^.\s]+)\./i)?.[1]
  if (payload === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null ? { ...claims } : undefined
  } catch {
    return undefined
  }
}
