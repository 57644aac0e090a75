import { actors, type DemoHop } from './demo-hop.ts'
import type { DemoRefusal } from './demo-refusals.ts'
import { type DemoService, demoServices } from './demo-system.ts'

/** What a call must have looked like. */
export interface ExpectedCall {
  readonly subject: string
  /** Where every gate must have had its token from. */
  readonly source: string
  /** `jti` of the token that was presented to the first gate. */
  readonly presentedTokenId: string
}

const expectedScope: Readonly<Record<DemoService, string>> = {
  storefront: 'billing:read orders:read shop:read',
  orders: 'billing:read orders:read',
  billing: 'billing:read',
}
const longestLifeSeconds: Readonly<Record<DemoService, number>> = {
  storefront: 120,
  orders: 120,
  billing: 60,
}

/** Everything about a call that is not as it must be, one sentence each. */
export function checkCall(hops: readonly DemoHop[], expected: ExpectedCall): readonly string[] {
  const wrong: string[] = []
  const seen = new Set([expected.presentedTokenId])
  for (const [index, service] of demoServices.entries()) {
    const hop = hops[index]
    if (hop === undefined) {
      wrong.push(`${service} was not reached`)
      continue
    }
    const compare = (what: string, actual: string, wanted: string) => {
      if (actual !== wanted) wrong.push(`${service}: ${what} is '${actual}', not '${wanted}'`)
    }
    compare('the audience', hop.audience, service)
    compare('the subject', hop.subject, expected.subject)
    compare('the chain of actors', actors(hop.act).join(' '), chainAt(index))
    compare('the scope', hop.scope.split(' ').sort().join(' '), expectedScope[service])
    compare('the source', hop.source, expected.source)
    if (!(hop.expiresIn > 0 && hop.expiresIn <= longestLifeSeconds[service])) {
      wrong.push(`${service}: the token has ${hop.expiresIn} s to live`)
    }
    if (seen.has(hop.tokenId)) wrong.push(`${service}: was handed a token that another hop had`)
    seen.add(hop.tokenId)
  }
  return wrong
}

/** The attempts that did not end as they must. */
export function checkRefusals(refusals: readonly DemoRefusal[]): readonly string[] {
  return refusals
    .filter(({ status, expectedStatus }) => status !== expectedStatus)
    .map(({ case: what, status, expectedStatus }) => `${what}: ${status}, not ${expectedStatus}`)
}

/** Each gate adds itself in front. */
function chainAt(index: number): string {
  return demoServices
    .slice(0, index + 1)
    .reverse()
    .join(' ')
}
