import { actors, type DemoHop } from './demo-hop.ts'
import type { DemoRefusal } from './demo-refusals.ts'
import { formatTable } from './text-table.ts'

/** What the demo saw. */
export interface DemoReport {
  /** The first call, for which every token was issued. */
  readonly hops: readonly DemoHop[]
  readonly refusals: readonly DemoRefusal[]
}

/** The table of one call. */
export function formatHops(hops: readonly DemoHop[]): readonly string[] {
  return formatTable([
    ['service', 'aud', 'sub', 'act (current first)', 'scope', 'lives', 'jti', 'source'],
    ...hops.map(hop => [
      hop.service,
      hop.audience,
      hop.subject,
      actors(hop.act).join(' < '),
      hop.scope,
      `${hop.expiresIn} s`,
      hop.tokenId.slice(0, 8),
      hop.source,
    ]),
  ])
}

/** The table of what was refused. */
export function formatRefusals(refusals: readonly DemoRefusal[]): readonly string[] {
  return formatTable([
    ['refused', 'status', 'WWW-Authenticate'],
    ...refusals.map(refusal => [refusal.case, String(refusal.status), refusal.challenge ?? '']),
  ])
}

/** The report as one JSON document, claims by their names on the wire. */
export function reportJson({ hops, refusals }: DemoReport): string {
  return JSON.stringify({
    hops: hops.map(hop => ({
      service: hop.service,
      aud: hop.audience,
      sub: hop.subject,
      act: hop.act ?? null,
      scope: hop.scope,
      expires_in: hop.expiresIn,
      jti: hop.tokenId,
      source: hop.source,
    })),
    refused: refusals.map(refusal => ({ case: refusal.case, status: refusal.status })),
  })
}
