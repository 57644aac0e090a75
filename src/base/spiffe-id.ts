/**
 * Whether a text is the SPIFFE ID of a workload in its one spelling (SPIFFE-ID §2): the scheme and the trust domain in
 * lower case, at least one path segment, none of them empty or dots, no port, query or fragment, at most 2048 bytes.
 */
export function isSpiffeId(text: string): boolean {
  if (text.length > 2048) return false
  const match = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/.exec(text)
  return match !== null && !(match[2] ?? '').split('/').some(segment => segment === '.' || segment === '..')
}

/** The trust domain of a SPIFFE ID. */
export function trustDomainOf(spiffeId: string): string {
  return spiffeId.slice('spiffe://'.length).split('/')[0] ?? ''
}

/** Whether a text is the name of a trust domain (SPIFFE-ID §2.1). */
export function isTrustDomain(text: string): boolean {
  return /^[a-z0-9._-]{1,255}$/.test(text)
}
