/** What accept does with a header field, by its name. */
export type HeaderClass =
  | 'end-to-end' // may be forwarded
  | 'dropped' // hop-by-hop, forged identity, or a spelling of one that some upstream reads as the same
  | 'authorization'
  | 'host'
  | 'connection'
  | 'content-length'
  | 'transfer-encoding'
  | 'upgrade'
  | 'expect'
  | 'traceparent'
  | 'request-id'
  | 'via'
  | 'forwarded' // written by proxies in front; kept only from a trusted one

const ownClass: ReadonlyMap<string, HeaderClass> = new Map<string, HeaderClass>([
  ['authorization', 'authorization'],
  ['host', 'host'],
  ['connection', 'connection'],
  ['content-length', 'content-length'],
  ['transfer-encoding', 'transfer-encoding'],
  ['upgrade', 'upgrade'],
  ['expect', 'expect'],
  ['traceparent', 'traceparent'],
  ['x-request-id', 'request-id'],
  ['via', 'via'],
  ['x-forwarded-for', 'forwarded'],
  ['x-forwarded-proto', 'forwarded'],
  ['x-forwarded-host', 'forwarded'],
  ['forwarded', 'forwarded'],
])

/** Hop-by-hop fields of RFC 9110 §7.6.1 and the older ones that proxies still meet. */
const hopByHop: ReadonlySet<string> = new Set([
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
  'te',
  'trailer',
  'http2-settings',
  'max-forwards',
])

/** Fields by which services behind gateways are told who is calling, or what was asked for. Only a gateway may set them. */
const identity: ReadonlySet<string> = new Set([
  'client-cert',
  'client-cert-chain',
  'dpop',
  'remote-email',
  'remote-groups',
  'remote-name',
  'remote-user',
  'txn-token',
  'workload-identity-token',
  'workload-proof-token',
  'x-access-token',
  'x-client-cert',
  'x-email',
  'x-groups',
  'x-http-method',
  'x-http-method-override',
  'x-id-token',
  'x-method-override',
  'x-real-ip',
  'x-rewrite-url',
  'x-role',
  'x-roles',
  'x-user',
  'x-username',
])

const identityPrefixes: readonly string[] = [
  'ssl-client-',
  'x-amzn-mtls-',
  'x-amzn-oidc-',
  'x-auth-',
  'x-authenticated-',
  'x-consumer-',
  'x-credential-',
  'x-envoy-',
  'x-forwarded-',
  'x-goog-authenticated-',
  'x-goog-iap-',
  'x-jwt-',
  'x-ms-client-principal',
  'x-ms-token-',
  'x-original-',
  'x-pomerium-',
  'x-remote-',
  'x-ssl-',
  'x-token-',
  'x-user-',
  'x-webauth-',
]

/**
 * Classifies field names. Answers are remembered by the exact spelling, so that a request's usual names cost one map
 * lookup each; the memory is bounded because callers choose the spellings.
 */
const remembered = new Map<string, HeaderClass>()
const rememberedLimit = 2_000

/** The class of a field name as it came over the wire. */
export function classifyHeader(name: string): HeaderClass {
  const known = remembered.get(name)
  if (known !== undefined) return known
  const fresh = classifyLowerCase(name.toLowerCase())
  if (remembered.size >= rememberedLimit) remembered.clear()
  remembered.set(name, fresh)
  return fresh
}

function classifyLowerCase(name: string): HeaderClass {
  const own = ownClass.get(name)
  if (own !== undefined) return own
  if (isGatewayField(name)) return 'dropped'
  // CGI-style upstreams read `X_Forwarded_User` and `X.Forwarded.User` as `X-Forwarded-User`.
  if (/[_.]/.test(name)) {
    const hyphenated = name.replace(/[_.]/g, '-')
    if (ownClass.has(hyphenated) || isGatewayField(hyphenated)) return 'dropped'
  }
  return 'end-to-end'
}

function isGatewayField(name: string): boolean {
  return hopByHop.has(name) || identity.has(name) || identityPrefixes.some(prefix => name.startsWith(prefix))
}
