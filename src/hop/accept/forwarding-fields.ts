/** What the request says of the way it came, for `X-Forwarded-*` and `Forwarded` (RFC 7239). */
export interface Passage {
  readonly peer: string
  readonly authority: string
  readonly scheme: 'http' | 'https'
  /** Fields of the proxy in front; empty unless the peer is trusted. Lower-case names. */
  readonly before: ReadonlyMap<string, string>
}

/** Appends the forwarding fields: set fresh for an untrusted peer, continued for a trusted one. */
export function pushForwardingFields(fields: string[], passage: Passage): void {
  const { peer, authority, scheme, before } = passage
  const element = `for=${forwardedNode(peer)};host=${quoteUnlessToken(authority)};proto=${scheme}`
  fields.push(
    'X-Forwarded-For',
    joined(before.get('x-forwarded-for'), peer),
    'X-Forwarded-Proto',
    before.get('x-forwarded-proto') ?? scheme,
    'X-Forwarded-Host',
    before.get('x-forwarded-host') ?? authority,
    'Forwarded',
    joined(before.get('forwarded'), element),
  )
}

function joined(before: string | undefined, own: string): string {
  return before === undefined ? own : `${before}, ${own}`
}

function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address
}

/** A token as RFC 9110 §5.6.2 has it; anything else must be a quoted string. */
function quoteUnlessToken(text: string): string {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text) ? text : `"${text}"`
}
