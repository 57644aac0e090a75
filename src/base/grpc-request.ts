/** Whether a `Content-Type` is that of gRPC over HTTP/2; gRPC-Web has another one, and needs nothing of it. */
export function isGrpc(contentType: string): boolean {
  return /^application\/grpc(?=$|[+;\s])/i.test(contentType)
}

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}

/**
 * Reads the value of `grpc-timeout`: up to eight digits and a unit.
 *
 * @returns milliseconds, perhaps with a fraction; undefined for anything else
 */
export function parseGrpcTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text)
  return match === null ? undefined : Number(match[1]) * (unitMs[match[2] ?? ''] ?? Number.NaN)
}
