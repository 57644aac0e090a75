/** The URL of a listening address; for the wildcard addresses, of loopback, which they include. */
export function urlOf(
  address: { readonly host: string; readonly port: number },
  scheme: 'http' | 'https' = 'http',
): string {
  const { host, port } = address
  if (host === '0.0.0.0' || host === '::') return `${scheme}://127.0.0.1:${port}`
  return host.includes(':') ? `${scheme}://[${host}]:${port}` : `${scheme}://${host}:${port}`
}
