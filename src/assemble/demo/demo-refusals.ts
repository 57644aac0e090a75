import type { Secret } from '../../base/secret.ts'
import { type DemoSystem, demoPaths } from './demo-system.ts'
import { sendPlain } from './plain-http.ts'

/** Something that the gates must not let through, and what came of it. */
export interface DemoRefusal {
  readonly case: string
  readonly status: number
  readonly expectedStatus: number
  /** `WWW-Authenticate`, which says what the caller may know. */
  readonly challenge: string | undefined
}

interface Attempt {
  readonly case: string
  readonly expectedStatus: number
  readonly method?: string
  readonly url: string
  /** Header names and values in turn. */
  readonly headers: readonly string[]
}

/**
 * Tries what must be refused.
 *
 * @param token a login token; without `orders:write`, and already used for a call, so that the services hold theirs
 */
export async function tryRefusals(system: DemoSystem, token: Secret): Promise<readonly DemoRefusal[]> {
  const refusals: DemoRefusal[] = []
  for (const attempt of attempts(system, token)) {
    const { status, headers } = await sendPlain(attempt.url, {
      method: attempt.method ?? 'GET',
      headers: ['Host', new URL(attempt.url).host, ...attempt.headers],
    })
    refusals.push({
      case: attempt.case,
      status,
      expectedStatus: attempt.expectedStatus,
      challenge: headers['www-authenticate'],
    })
  }
  return refusals
}

function attempts(system: DemoSystem, token: Secret): readonly Attempt[] {
  const { storefront, orders, billing } = {
    storefront: `${system.gate('storefront').url}${demoPaths.storefront}`,
    orders: `${system.gate('orders').url}${demoPaths.orders}`,
    billing: `${system.gate('billing').url}${demoPaths.billing}`,
  }
  const login = ['Authorization', `Bearer ${token.expose()}`]
  const issued = ['Authorization', `Bearer ${system.service('storefront').lastToken()?.expose()}`]
  return [
    { case: 'no token', expectedStatus: 401, url: storefront, headers: [] },
    { case: 'the login token straight to orders', expectedStatus: 401, url: orders, headers: login },
    { case: "the storefront's token to billing", expectedStatus: 401, url: billing, headers: issued },
    {
      case: "the storefront's token back to the storefront",
      expectedStatus: 401,
      url: storefront,
      headers: issued,
    },
    {
      case: 'a scope that was never granted',
      expectedStatus: 403,
      method: 'POST',
      url: new URL('/shop/orders', storefront).href,
      headers: login,
    },
    {
      case: 'two Authorization headers',
      expectedStatus: 400,
      url: storefront,
      headers: [...login, ...login],
    },
    {
      case: 'a path that no route names',
      expectedStatus: 404,
      url: new URL('/admin', storefront).href,
      headers: login,
    },
  ]
}
