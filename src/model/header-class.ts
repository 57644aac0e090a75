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
  | 'max-forwards'
  | 'traceparent'
  | 'request-id'
  | 'te'
  | 'trailer'
  | 'content-type' // may be forwarded, and says whether the request is a gRPC call
  | 'grpc-timeout' // the same, and how long it may take
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
  ['max-forwards', 'max-forwards'],
  ['traceparent', 'traceparent'],
  ['x-request-id', 'request-id'],
  ['te', 'te'],
  ['trailer', 'trailer'],
  ['content-type', 'content-type'],
  ['grpc-timeout', 'grpc-timeout'],
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
  'http2-settings',
])

/** Fields by which services behind gateways are told who is calling, or what was asked for. Only a gateway may set them. */
const identity: ReadonlySet<string> = new Set([
  'access-token',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'client-cert',
  'client-cert-chain',
  'dpop',
  'fastly-client-ip',
  'fly-client-ip',
  'remote-email',
  'remote-groups',
  'remote-name',
  'remote-user',
  'true-client-ip',
  'txn-token',
  'workload-identity-token',
  'workload-proof-token',
  'x-access-token',
  'x-admin',
  'x-amzn-request-context',
  'x-apigateway-api-userinfo',
  'x-arr-clientcert',
  'x-auth',
  'x-authorization',
  'x-client-cert',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-email',
  'x-endpoint-api-userinfo',
  'x-group',
  'x-groups',
  'x-http-method',
  'x-http-method-override',
  'x-id-token',
  'x-method-override',
  'x-originating-ip',
  'x-principal',
  'x-real-ip',
  'x-rewrite-url',
  'x-role',
  'x-roles',
  'x-user',
  'x-username',
])

const identityPrefixes: readonly string[] = [
  'cf-access-',
  'ssl-client-',
  'x-amzn-mtls-',
  'x-amzn-oidc-',
  'x-auth-',
  'x-authenticated-',
  'x-client-cert-',
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

/** Anything but words of letters and digits with one hyphen between them. */
const oddName = /[^a-z0-9-]|--|^-|-$/

function classifyLowerCase(name: string): HeaderClass {
  const own = ownClass.get(name)
  if (own !== undefined) return own
  if (isGatewayField(name)) return 'dropped'
  // CGI-style upstreams read `X_Forwarded_User` and `X.Forwarded.User` as `X-Forwarded-User`.
  if (oddName.test(name)) {
    const usual = name.replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '')
    if (ownClass.has(usual) || isGatewayField(usual)) return 'dropped'
  }
  return 'end-to-end'
}

function isGatewayField(name: string): boolean {
  return hopByHop.has(name) || identity.has(name) || identityPrefixes.some(prefix => name.startsWith(prefix))
}
