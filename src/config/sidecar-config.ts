import type { Secret } from '../base/secret.ts'
import type { Route } from '../model/route.ts'
import type { PolicyDocument } from '../policy/document.ts'

/** A sidecar's configuration after validation: defaults filled in, units resolved, deeply frozen. */
export interface SidecarConfig {
  /** This workload: its `client_id` at the token service, its name in audit events and in `Via`. */
  readonly service: string
  readonly listen: ListenConfig
  /** The port for `/metrics`, `/livez`, `/readyz`. Never served on the data port. */
  readonly admin: ListenAddress
  readonly upstream: UpstreamConfig
  /** How many processes share the data port; `auto` is as many as there are CPUs to use at the start. */
  readonly workers: number | 'auto'
  readonly issuers: readonly IssuerRules[]
  readonly exchange: ExchangeConfig
  readonly cache: CacheConfig
  readonly routes: readonly Route[]
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly audit: AuditConfig
  readonly forwarded: ForwardedConfig
  /** What anybody may read about this service (RFC 9728); undefined leaves the path to the routes. */
  readonly protectedResource: ProtectedResourceConfig | undefined
  /** The document that every hop is decided by, besides the routes' own rules; undefined when there are only these. */
  readonly policy: PolicyDocument | undefined
  /** Where this runs, such as `production`, for the policy. */
  readonly environment: string | undefined
  readonly context: ContextHeaders
  /** Who decides beside the policy, on routes that say so. */
  readonly decisionPoints: readonly DecisionPointConfig[]
  /** The embedded token service; present exactly when `exchange` names no server. */
  readonly sts: StsConfig | undefined
  /** Hex SHA-256 over everything above that decides who may do what; part of every cache key. */
  readonly policyDigest: string
}

export interface ListenAddress {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

/** Where requests arrive, and how connections are spoken there. */
export interface ListenConfig extends ListenAddress {
  /** undefined listens without TLS. */
  readonly tls: ListenTls | undefined
  /** Whether HTTP/2 is spoken: by ALPN with TLS, by prior knowledge without (RFC 9113 §3). HTTP/1.1 always is. */
  readonly http2: boolean
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** TLS on the data port. Files are absolute paths of PEM files and are read again when they change. */
export interface ListenTls {
  readonly cert: string
  readonly key: string
  /** Whom client certificates must be from; undefined asks for none. */
  readonly clientCa: string | undefined
  /** `none` exactly without `clientCa`. With `optional`, a certificate that is presented must still be good. */
  readonly clientCertificate: 'required' | 'optional' | 'none'
  /** The SPIFFE ID of a client certificate must be one of these; empty takes every certificate of `clientCa`. */
  readonly spiffeIds: readonly string[]
  readonly minVersion: TlsVersion
}

/** The service behind, and how it is spoken to. */
export interface UpstreamConfig {
  /** Scheme, host, port; no path. */
  readonly url: URL
  /** `h2` is by ALPN over `https:`, and by prior knowledge over `http:` (RFC 9113 §3.3). */
  readonly protocol: 'http1' | 'h2'
  /** Present exactly for `https:`. */
  readonly tls: UpstreamTls | undefined
}

/** TLS towards upstream. Files are absolute paths of PEM files and are read again when they change. */
export interface UpstreamTls {
  /** Whom the server's certificate must be from; undefined trusts the authorities that Node brings. */
  readonly ca: string | undefined
  /** The own certificate; present exactly with `key`. */
  readonly cert: string | undefined
  readonly key: string | undefined
  /** Sent as SNI, and checked instead of the host of `url`. */
  readonly serverName: string | undefined
  /** The SPIFFE ID of the server must be one of these, and no name is checked then; empty checks the name. */
  readonly spiffeIds: readonly string[]
}

/** Which tokens of one issuer are accepted, and with which keys. */
export interface IssuerRules {
  /** Compared byte for byte with `iss`. */
  readonly issuer: string
  /** A token must carry at least one of these in `aud`. Never empty. */
  readonly audience: readonly string[]
  /** Allow-list of `alg` values, asymmetric only. */
  readonly algorithms: readonly SignatureAlgorithm[]
  readonly keys: KeySource
  /** Accepted `typ` header values, lower case, without `application/`; `none` stands for an absent `typ`. */
  readonly types: readonly string[]
  /** Tolerance for clocks, in seconds. */
  readonly leewaySeconds: number
  /** Tokens that are made to live longer than this are refused. */
  readonly maxLifetimeSeconds: number
  /** Deepest `act` chain that is accepted. */
  readonly maxActorDepth: number
  /** Allows `http:` for discovery and keys outside loopback. */
  readonly plaintext: boolean
  /** How the issuer is asked about its tokens; absent when it cannot be. */
  readonly introspection?: IntrospectionConfig
}

/** How an issuer is asked whether a token is active (RFC 7662). */
export interface IntrospectionConfig {
  /** undefined: from the issuer's metadata, where it must be of the issuer's origin. */
  readonly endpoint: URL | undefined
  readonly client: ClientCredentials
  /** Whether this issuer is asked about tokens that are no JWT. Of one issuer at most. */
  readonly opaque: boolean
  /** Whether answers must be signed (RFC 9701). */
  readonly signed: boolean
  /** Whether an answer about a token that is no JWT must have `token_type`. */
  readonly tokenType: 'required' | 'optional'
  /** How long an answer is used, one that a token is active never longer than the token lives. */
  readonly cacheMs: number
  readonly negativeMs: number
  /** One question, with everything it waits for, ends within this time. */
  readonly timeoutMs: number
}

export type SignatureAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'Ed25519'

/** What the token service signs with. */
export type SigningAlgorithm = Extract<SignatureAlgorithm, 'ES256' | 'EdDSA' | 'RS256' | 'PS256'>

/** Where an issuer's public keys come from. Files are read again when they change. */
export type KeySource =
  | { readonly kind: 'discovery' }
  | { readonly kind: 'jwks_uri'; readonly uri: URL }
  | { readonly kind: 'file'; readonly file: string }
  | {
      readonly kind: 'inline'
      readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] }
    }

/** A policy decision point of others (OpenID AuthZEN Authorization API 1.0). */
export interface DecisionPointConfig {
  readonly name: string
  /** Its access evaluation endpoint. */
  readonly url: URL
  /** Sent as a bearer token; undefined sends none. */
  readonly secret: Secret | undefined
  /** Claims of the presented token that it is told. */
  readonly claims: readonly string[]
  readonly timeoutMs: number
}

/** How tokens are exchanged. */
export interface ExchangeConfig {
  /** Issuer identifier of the authorization server (RFC 8414). The embedded token service's own when none is named. */
  readonly server: string
  readonly client: ClientCredentials
  /** For an `https:` server, and for it alone. */
  readonly tls: ExchangeTls | undefined
  /** One exchange, with everything it waits for, ends within this time. */
  readonly timeoutMs: number
  /** Issued tokens are not used in their last seconds. Half the life when that is shorter. */
  readonly marginSeconds: number
  /** How long a `no` of the authorization server is remembered. 0 turns it off. */
  readonly negativeSeconds: number
  /** Whether the issued token must name this client as its outermost actor (`act.sub`). */
  readonly actor: 'required' | 'optional'
  /** Accepted `alg` values of the issued token. */
  readonly algorithms: readonly SignatureAlgorithm[]
  /** Allows `http:` to the server outside loopback. */
  readonly plaintext: boolean
}

/** How this sidecar authenticates as a client at the token endpoint (RFC 6749 §2.3, RFC 7523, RFC 10070). */
export type ClientCredentials =
  | {
      readonly id: string
      readonly authentication: 'client_secret_basic' | 'client_secret_post'
      readonly secret: Secret
    }
  | {
      readonly id: string
      readonly authentication: 'private_key_jwt'
      /** File with a private JWK that has `alg` and, when the server needs it, `kid`. Read at each change. */
      readonly key: string
      /** `aud` of the assertion: the issuer identifier (RFC 10070), or the token endpoint for servers that lag. */
      readonly assertionAudience: 'issuer' | 'token_endpoint'
    }
  /** By the certificate of {@link ExchangeConfig.tls}. */
  | {
      readonly id: string
      readonly authentication: 'tls_client_auth' | 'self_signed_tls_client_auth' | 'spiffe_x509'
    }
  | {
      readonly id: string
      readonly authentication: 'kubernetes' | 'spiffe_jwt'
      /** File with a projected service account token, or a JWT-SVID. Read at each change. */
      readonly token: string
    }

/** TLS towards the authorization server. Files are absolute paths of PEM files and are read again when they change. */
export interface ExchangeTls {
  /** Whom the server's certificate must be from; undefined trusts the authorities that Node brings. */
  readonly ca: string | undefined
  /** The own certificate; present exactly with `key`. */
  readonly cert: string | undefined
  readonly key: string | undefined
}

export interface CacheConfig {
  /** `redis:` or `rediss:` URL; undefined keeps issued tokens in memory only. */
  readonly redis: Secret | undefined
  /** Prefix of every Redis key. */
  readonly prefix: string
  /** Longest wait for one Redis answer; after it the tier counts as down. */
  readonly timeoutMs: number
  /** Bounds of the memory tier. */
  readonly maxEntries: number
  readonly maxBytes: number
}

export interface Limits {
  /** Bytes of the header section, request line included. */
  readonly headerBytes: number
  readonly headerCount: number
  readonly targetBytes: number
  /** Bytes of one request body; undefined means no limit. */
  readonly bodyBytes: number | undefined
  /** Bytes of one presented token. */
  readonly tokenBytes: number
  readonly connections: number
  /** Requests under way at the same time. */
  readonly requests: number
  /** How late the event loop may be before requests are refused, in milliseconds. */
  readonly eventLoopDelayMs: number
  /** Resident memory above which requests are refused; undefined takes it from the container's limit. */
  readonly memoryBytes: number | undefined
  readonly requestsPerConnection: number
  readonly streamsPerConnection: number
}

/** All in milliseconds. */
export interface Timeouts {
  /** For the whole header section to arrive. */
  readonly headersMs: number
  /** An idle keep-alive connection. */
  readonly keepAliveMs: number
  /** Between two pieces of a body, either direction. */
  readonly bodyIdleMs: number
  readonly upstreamConnectMs: number
  /** From the end of the request to the response's headers. */
  readonly upstreamHeadersMs: number
  /** Between two pieces of an upgraded connection. */
  readonly websocketIdleMs: number
  /** Grace for requests under way after SIGTERM. */
  readonly drainMs: number
}

export interface AuditConfig {
  /** Append to this file; undefined writes to standard output. */
  readonly file: string | undefined
  /** Events that may wait for a slow sink. */
  readonly queue: number
  /** When the queue is full: refuse every request, or count what is lost. Privileged routes always refuse. */
  readonly whenFull: 'refuse' | 'count'
}

export interface ProtectedResourceConfig {
  /** The resource identifier (RFC 9728 §1.2). */
  readonly resource: string
  readonly name: string | undefined
  readonly documentation: string | undefined
}

export interface ForwardedConfig {
  /** Addresses or CIDR blocks of proxies in front whose `X-Forwarded-*` and `Forwarded` are continued. Empty by default. */
  readonly trustedProxies: readonly string[]
}

/** The fields by which callers tell the occasion; lower-case names. Absent: such a field means nothing. */
export interface ContextHeaders {
  /** Names the case that is worked on. */
  readonly caseId: string | undefined
  /** Carries the token of the person who acts for the subject. It goes no further. */
  readonly actorToken: string | undefined
  /** The trust domain whose Transaction Tokens are taken in `Txn-Token`; absent: the field means nothing and is dropped. */
  readonly trustDomain?: string
}

/** The token service: `sts:` of a hub, or embedded in a sidecar. */
export interface StsConfig {
  /** Issuer identifier (RFC 8414 §2); endpoints live below it. */
  readonly issuer: string
  /** File with the private signing keys (JWK set, mode 0600), made on first start. undefined keeps them in memory. */
  readonly keys: string | undefined
  /** What new keys are for. Keys that are there keep their own. */
  readonly algorithm: SigningAlgorithm
  /** Longest life of an issued token, in seconds. */
  readonly maxTtlSeconds: number
  /** Whose tokens may be exchanged. The service's own issuer is always among them. */
  readonly issuers: readonly IssuerRules[]
  readonly clients: readonly StsClient[]
  readonly clusters: readonly KubernetesCluster[]
  readonly trustDomains: readonly TrustDomain[]
  readonly maxActorDepth: number
  /** Name of the trust domain for Transaction Tokens, their only audience; absent: there are none. */
  readonly transactionDomain?: string
  /** Absent: there are no tickets. */
  readonly tickets?: StsTickets
  /** Longest `act` claim of an issued token, in bytes of JSON. */
  readonly maxActorBytes: number
  /** How often one actor may be in a chain: twice is a callback, more is a loop. */
  readonly maxActorVisits: number
  /** What is decided by besides the clients' own audiences; undefined when there are only these. */
  readonly policy: PolicyDocument | undefined
  /** Where this runs, for the policy. */
  readonly environment: string | undefined
}

/** A client of the token service and all it may do. What is not listed is denied. */
export interface StsClient {
  readonly id: string
  /** How it authenticates; no other method is taken from it. */
  readonly authentication: StsClientAuthentication
  /** Grant types that it may use; absent: token exchange, and with a policy what that permits a client itself. */
  readonly grants?: readonly string[]
  /** A subject token must carry the client's own id or one of these in `aud`: no exchange of somebody else's token. */
  readonly accepts: readonly string[]
  /** Audiences that it may ask for, each with the scopes that may be granted there; undefined leaves it to the policy. */
  readonly audiences: ReadonlyMap<string, StsAudience> | undefined
  /** Tickets that it may have or redeem; absent: what the policy permits, and without a policy none. */
  readonly tickets?: { readonly issue: readonly StsTicketRule[]; readonly redeem: readonly StsTicketRule[] }
  /** Bounds its requests, over all endpoints and for each process; absent means no bound. Decides nothing about who may do what. */
  readonly rateLimit?: RateLimit | undefined
}

/** So many requests at once, and as many again in each period. */
export interface RateLimit {
  readonly requests: number
  readonly perSeconds: number
}

/** Tickets for queue workers. */
export interface StsTickets {
  /** Seals them; the same for all replicas. */
  readonly key: Secret
  /** Longest life of a ticket. */
  readonly ttlSeconds: number
}

/** What a client may do with tickets for one audience. */
export interface StsTicketRule {
  readonly audience: string
  readonly purposes: readonly string[]
  readonly scope: readonly string[]
  readonly ttlSeconds: number | undefined
}

/** Public keys of a client, as a JWK set. */
export interface ClientJwks {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

/** How a client of the token service authenticates. */
export type StsClientAuthentication =
  | {
      readonly kind: 'secret'
      /** Any of them is taken: more than one while the client goes over to another. */
      readonly secrets: readonly StsClientSecret[]
      readonly methods: readonly ('client_secret_basic' | 'client_secret_post')[]
    }
  | { readonly kind: 'private_key_jwt'; readonly jwks: ClientJwks }
  /** RFC 8705 §2.1: a certificate of the configured authorities for this subject. */
  | { readonly kind: 'tls_client_auth'; readonly subject: CertificateSubject }
  /** RFC 8705 §2.2: a certificate with one of these keys, or one of these certificates, whoever signed it. */
  | {
      readonly kind: 'self_signed_tls_client_auth'
      readonly jwks: ClientJwks | undefined
      /** `x5t#S256`: base64url SHA-256 of the DER of a certificate. */
      readonly thumbprints: readonly string[]
    }
  /** The service account of a pod, by a token of its cluster. */
  | {
      readonly kind: 'kubernetes'
      /** `iss` of the cluster's tokens; one of {@link StsConfig.clusters}. */
      readonly cluster: string
      readonly namespace: string
      readonly serviceAccount: string
    }
  /** A SPIFFE ID, of one of {@link StsConfig.trustDomains}, by a JWT-SVID or an X.509-SVID. */
  | { readonly kind: 'spiffe_jwt' | 'spiffe_x509'; readonly spiffeId: string }

/** A secret, or what is kept instead of it: its scrypt hash as a PHC string. */
export interface StsClientSecret {
  readonly kind: 'plain' | 'scrypt'
  readonly text: Secret
}

/** Whom a certificate must be for. A name among others in the certificate is enough, compared exactly. */
export interface CertificateSubject {
  /** `dn`: the subject's distinguished name as in RFC 4514. Others: a subject alternative name. */
  readonly kind: 'dn' | 'dns' | 'uri' | 'ip' | 'email'
  readonly name: string
}

/** A SPIFFE trust domain: whose SVIDs are good there. */
export interface TrustDomain {
  /** Such as `example.org`. */
  readonly name: string
  /** Its bundle, for JWT-SVIDs: a file, or a bundle endpoint (https_web). */
  readonly bundle: Extract<KeySource, { readonly kind: 'file' | 'jwks_uri' }> | undefined
  /** PEM file with its authorities, for X.509-SVIDs. */
  readonly authorities: string | undefined
  /** PEM file with the authorities for the server of the bundle endpoint; undefined trusts those that Node brings. */
  readonly ca: string | undefined
}

/** A cluster whose service accounts are clients. */
export interface KubernetesCluster {
  readonly rules: IssuerRules
  /** PEM file with the authorities for the server that its keys are fetched from. */
  readonly ca: string | undefined
}

/** What a client may have at one audience. */
export interface StsAudience {
  readonly scope: readonly string[]
  /** Resource indicators (RFC 8707) that mean the same target when they are sent along with the audience. */
  readonly resources?: readonly string[]
  readonly ttlSeconds: number | undefined
}
