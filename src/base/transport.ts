const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Whether a URL may carry credentials or keys: `https:` always, `http:` to this machine's loopback, and elsewhere
 * only where the configuration says `plaintext: true`. User information and fragments are never acceptable.
 */
export function isAcceptableTransport(url: URL, plaintext: boolean): boolean {
  if (url.username !== '' || url.password !== '' || url.hash !== '') return false
  if (url.protocol === 'https:') return true
  return url.protocol === 'http:' && (plaintext || loopbackHosts.has(url.hostname))
}
