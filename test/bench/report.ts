/** What a measurement found. */
export interface Report {
  /** For people: tables and lines. */
  readonly text: string
  /** The raw figures. */
  readonly figures: unknown
}
