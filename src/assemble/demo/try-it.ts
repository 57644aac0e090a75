import type { Log } from '../../base/log.ts'
import { type DemoSystem, demoPaths, demoServices } from './demo-system.ts'
import { sendPlain } from './plain-http.ts'

/** Files that hold an `Authorization` header each, for `curl -H @FILE`. */
export interface FreshTokens extends Disposable {
  /** The login token. */
  readonly login: string
  /** The token that the storefront was handed. */
  readonly storefront: string
}

const refreshMs = 60_000

/** Writes the tokens to files, and new ones every minute, so that the lines to type go on working. */
export async function keepTokensFresh(system: DemoSystem, scope: string, log: Log): Promise<FreshTokens> {
  const refresh = async () => {
    const token = await system.login.logIn({ user: 'alice', scope })
    await sendPlain(urlAt(system, 'storefront'), { tokens: [token] })
    const issued = system.service('storefront').lastToken()
    if (issued === undefined) throw new Error('the storefront was handed no token')
    return {
      login: system.folder.writeAuthorization('alice.header', token),
      storefront: system.folder.writeAuthorization('storefront.header', issued),
    }
  }
  const files = await refresh()
  const timer = setInterval(() => {
    refresh().catch((error: unknown) => log.warn('the tokens for curl were not renewed', { error }))
  }, refreshMs)
  return { ...files, [Symbol.dispose]: () => clearInterval(timer) }
}

/** What can be copied into another terminal. No line holds a token. */
export function linesToType(system: DemoSystem, files: FreshTokens): readonly string[] {
  const [shop, orders, billing] = demoServices.map(name => urlAt(system, name))
  // Explanations stand above: not every shell takes a comment after a command that was pasted.
  return [
    '',
    'It goes on running. To type in another terminal; the files hold fresh tokens, renewed every minute.',
    '',
    '  alice opens her basket:',
    `    curl -s -H @${files.login} ${shop}`,
    '  no token, 401:',
    `    curl -i ${shop}`,
    '  the login token straight to orders, 401:',
    `    curl -i -H @${files.login} ${orders}`,
    "  the storefront's token to billing, 401:",
    `    curl -i -H @${files.storefront} ${billing}`,
    '  a scope that was never granted, 403:',
    `    curl -i -X POST -H @${files.login} ${new URL('/shop/orders', shop).href}`,
    '  the audit trails, the metrics of a gate, the metadata of the hub:',
    `    tail -f ${system.folder.path}/*.audit`,
    `    curl -s ${system.gate('storefront').adminUrl}/metrics`,
    `    curl -s ${system.hubUrl}/.well-known/oauth-authorization-server`,
    '',
    'Ctrl-C ends everything.',
  ]
}

function urlAt(system: DemoSystem, service: (typeof demoServices)[number]): string {
  return `${system.gate(service).url}${demoPaths[service]}`
}
