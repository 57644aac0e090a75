import { Secret } from '../../base/secret.ts'
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
  readonly tokens: readonly Secret[]
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
      tokens: attempt.tokens,
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
  const login = [token]
  const issued = [system.service('storefront').lastToken() ?? new Secret('')]
  return [
    { case: 'no token', expectedStatus: 401, url: storefront, tokens: [] },
    { case: 'the login token straight to orders', expectedStatus: 401, url: orders, tokens: login },
    { case: "the storefront's token to billing", expectedStatus: 401, url: billing, tokens: issued },
    {
      case: "the storefront's token back to the storefront",
      expectedStatus: 401,
      url: storefront,
      tokens: issued,
    },
    {
      case: 'a scope that was never granted',
      expectedStatus: 403,
      method: 'POST',
      url: new URL('/shop/orders', storefront).href,
      tokens: login,
    },
    {
      case: 'two Authorization headers',
      expectedStatus: 400,
      url: storefront,
      tokens: [token, token],
    },
    {
      case: 'a path that no route names',
      expectedStatus: 404,
      url: new URL('/admin', storefront).href,
      tokens: login,
    },
  ]
}
