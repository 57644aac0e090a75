/**
 * How an issued token relates to its subject. `delegation`: somebody acts for the subject and is named in `act`
 * (RFC 8693 §1.1). `impersonation`: nobody is named in `act`, so that the token is the subject's to whoever reads it.
 * `machine`: a client acts for itself and nobody else (RFC 6749 §4.4).
 */
export type ExchangeMode = 'delegation' | 'impersonation' | 'machine'

export const exchangeModes = [
  'delegation',
  'impersonation',
  'machine',
] as const satisfies readonly ExchangeMode[]
