/** What became of a forwarded request. */
export interface Delivery {
  /** The status that the caller got; 101 for an upgrade. */
  readonly status: number
  /** From the first byte sent upstream to the response's headers, in milliseconds. */
  readonly upstreamMs: number
  /** Body bytes from the caller and to the caller. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Whether the response reached its end. False: the caller or the upstream broke off after the headers. */
  readonly complete: boolean
}
