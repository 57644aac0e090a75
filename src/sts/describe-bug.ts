/** Where an unexpected failure happened, not what its message says: a message may quote the request. */
export function describeBug(cause: unknown): string {
  if (!(cause instanceof Error)) return typeof cause
  return `${cause.name}${/\n\s+at .*/.exec(cause.stack ?? '')?.[0].replace(/\s+/g, ' ') ?? ''}`
}
