import type { AuditConfig, ListenAddress, StsConfig } from './sidecar-config.ts'

/** A hub's configuration after validation, deeply frozen. Each facility runs when its section is there. */
export interface HubConfig {
  readonly listen: ListenAddress
  readonly admin: ListenAddress
  readonly sts: StsConfig
  readonly audit: AuditConfig
  /** For what replicas must share, such as used assertion ids. */
  readonly redis: import('../base/secret.ts').Secret | undefined
}
