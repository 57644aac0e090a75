import { systemClock } from '../base/clock.ts'
import type { HttpClient } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import type { IssuerRules } from '../config/sidecar-config.ts'
import { FileKeys } from './file-keys.ts'
import { InlineKeys } from './inline-keys.ts'
import type { KeySet, KeySetOptions } from './key-set.ts'
import { RemoteKeys } from './remote-keys.ts'

export interface IssuerKeysDependencies {
  readonly client: HttpClient
  readonly log: Log
  /** What is not given has its default. */
  readonly options?: Partial<KeySetOptions>
}

/** Half a minute between fetches for unknown keys, ten minutes of age, a day of grace, three seconds a fetch. */
export const defaultKeySetOptions: KeySetOptions = {
  clock: systemClock,
  coolDownMs: 30_000,
  refreshMs: 600_000,
  maxStaleMs: 86_400_000,
  timeoutMs: 3000,
  maxBytes: 512 * 1024,
  maxKeys: 100,
}

/** Makes the key set of an issuer from its configured source. Nothing is loaded before `warm` or the first look-up. */
export function createIssuerKeys(rules: IssuerRules, dependencies: IssuerKeysDependencies): KeySet {
  const { client, log } = dependencies
  const options = { ...defaultKeySetOptions, ...dependencies.options }
  switch (rules.keys.kind) {
    case 'inline':
      return new InlineKeys(rules, rules.keys.jwks, log, options)
    case 'file':
      return new FileKeys(rules, rules.keys.file, log, options)
    case 'discovery':
    case 'jwks_uri':
      return new RemoteKeys(rules, client, log, options)
  }
}
