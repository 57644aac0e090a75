import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contestant, Target } from '../contestant.ts'
import { ordersRoute } from '../hopgate-config.ts'
import { oneToken } from '../request-kinds.ts'
import { sidecarRow } from './sidecar-row.ts'

/** Ours with more and more of what must not make a request dearer. Each is held against the least of its kind. */
export const flatness: readonly Contestant[] = [
  ...[1, 10, 100, 1_000].map(count => routesRow(count)),
  routesRow(1, '-again'),
  ...[1, 1_000, 100_000].map(tokensRow),
]

/** Flat: within ten percent. */
function within(of: string, isLeast: boolean): readonly Target[] {
  return isLeast ? [] : [{ of, atMost: 1.1 }]
}

/** One token on so many routes, each of which is asked in turn. A row that comes again shows the noise of a run. */
function routesRow(count: number, again = ''): Contestant {
  const paths = Array.from({ length: count }, (_, index) => `/orders-${index}`)
  return sidecarRow({
    name: `routes-${count}${again}`,
    title: `hopgate, hot, routes: ${count}`,
    measurement: 'flatness',
    source: 'memory',
    targets: within('routes-1', count === 1 && again === ''),
    sections: () => ({
      ...roomForTokens,
      routes: paths.map(path => ({ ...ordersRoute, path: `${path}/**` })),
    }),
    async request(site, port) {
      const token = await oneToken(site)
      const lines = join(site.folder, `${count}-routes.lines`)
      writeFileSync(lines, paths.map(path => `${path}/17 ${token}\n`).join(''))
      return { url: `http://127.0.0.1:${port}`, lines }
    },
  })
}

/** Room for every token that a measurement uses, and a life that outlasts the time it takes to issue them. */
export const roomForTokens = {
  cache: { max_entries: 200_000, max_bytes: '1GiB' },
  sts: { max_ttl: '4h' },
}

/** So many callers' tokens, each of which comes in turn. */
function tokensRow(count: number): Contestant {
  return sidecarRow({
    name: `tokens-${count}`,
    title: `hopgate, hot, ${count} tokens`,
    measurement: 'flatness',
    source: 'memory',
    tokens: count,
    targets: within('tokens-1', count === 1),
    sections: () => roomForTokens,
    request: async (site, port) => ({
      url: `http://127.0.0.1:${port}`,
      lines: await site.tokens.of(site.quickLogin, count),
    }),
  })
}
