import type { AuditConfig, ListenAddress, StsConfig, TlsVersion } from './sidecar-config.ts'

/** A hub's configuration after validation, deeply frozen. Each facility runs when its section is there. */
export interface HubConfig {
  readonly listen: HubListen
  readonly admin: ListenAddress
  readonly sts: StsConfig
  readonly audit: AuditConfig
  /** For what replicas must share, such as used assertion ids. */
  readonly redis: import('../base/secret.ts').Secret | undefined
}

/** Where a hub listens. */
export interface HubListen extends ListenAddress {
  /** undefined listens without TLS. */
  readonly tls: HubListenTls | undefined
}

/** TLS of a hub. Files are absolute paths of PEM files and are read again when they change. */
export interface HubListenTls {
  readonly cert: string
  readonly key: string
  /** Whom the certificates of clients must be from, where they must be from anybody. */
  readonly clientCa: string | undefined
  readonly minVersion: TlsVersion
}
