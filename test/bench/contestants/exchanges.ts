import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startBenchRedis } from '../bench-redis.ts'
import { type Contestant, compiledRequests } from '../contestant.ts'
import { ordersRoute, prepareHub, prepareSidecar } from '../hopgate-config.ts'

/** So many known tokens, each on so many routes: memory has room for the tokens that were verified, not for those that were issued. */
const warmTokens = 100
const warmRoutes = 5

/** Tokens in turn. More than requests under way, so that no two of them are for the same token. */
const unknownTokens = 500

/** New tokens that can be used up in a second. More than that would take longer to sign than to use. */
const coldTokensPerSecond = 2_000

/** Twice of what is sent before the compiler is done. */
const leastColdTokens = 2 * compiledRequests

/** A busy machine keeps Redis waiting, and what then fails is not what is measured. */
const redisTimeout = '1s'

/** Ours, when the issued token is not in memory. */
export const exchanges: readonly Contestant[] = [
  {
    name: 'warm',
    measurement: 'requests',
    title: 'hopgate, warm: caller known, issued token in Redis only',
    targets: [{ of: 'hot', atMost: 2.5 }],
    async prepare(site, started) {
      const redis = await startBenchRedis(site, started)
      // In turn, the issued tokens of a memory with room for a fifth of them are gone by the time that they come again.
      const cache = { redis, timeout: redisTimeout, max_entries: warmTokens }
      const names = Array.from({ length: warmRoutes }, (_, index) => `orders-${index}`)
      const routes = names.map(name => ({ ...ordersRoute, path: `/${name}/**`, audience: `${name}-api` }))
      const { process, adminPort } = await prepareSidecar(site, started, { cache, routes })
      const ofOneRoute = readFileSync(await site.tokens.of(site.login, warmTokens), 'utf8')
      const lines = join(site.folder, 'warm.lines')
      writeFileSync(lines, names.map(name => ofOneRoute.replaceAll('/orders/', `/${name}/`)).join(''))
      return {
        processes: [process],
        load: { url: `http://127.0.0.1:${process.port}`, lines },
        proof: { adminPort, source: 'redis' },
      }
    },
  },
  {
    name: 'warm-unknown',
    measurement: 'requests',
    title: 'hopgate, warm: caller to verify, issued token in Redis only',
    targets: [{ of: 'hot' }],
    async prepare(site, started) {
      const redis = await startBenchRedis(site, started)
      // As after a restart: by the time that a token comes again, neither it nor its issued token is in memory.
      const cache = { redis, timeout: redisTimeout, max_entries: 1 }
      const { process, adminPort } = await prepareSidecar(site, started, { cache })
      const lines = await site.tokens.of(site.login, unknownTokens)
      return {
        processes: [process],
        load: { url: `http://127.0.0.1:${process.port}`, lines },
        proof: { adminPort, source: 'redis' },
      }
    },
  },
  coldRow('cold', 'hopgate, cold: a new token each time, sidecar + hub', { hubHasRedis: true }),
  coldRow('cold-secret', 'hopgate, cold, client with a secret', { hubHasRedis: true, hasSecret: true }),
  coldRow('cold-lone-hub', 'hopgate, cold, hub without Redis', { hubHasRedis: false }),
]

/**
 * Every request brings a token that nobody has seen: verified by the sidecar, exchanged at the hub, whose answer the
 * sidecar verifies and writes to Redis. A hub that has replicas keeps used assertion ids in Redis, a lone one does not. A
 * client with a secret needs no assertion, and so no second signature.
 */
function coldRow(
  name: string,
  title: string,
  { hubHasRedis, hasSecret = false }: { readonly hubHasRedis: boolean; readonly hasSecret?: boolean },
): Contestant {
  return {
    name,
    title,
    measurement: 'requests',
    targets: [{ of: 'hot', atMost: 12 }],
    async prepare(site, started) {
      const redis = await startBenchRedis(site, started)
      const hub = await prepareHub(site, started, hubHasRedis ? { redis } : {}, hasSecret ? 'secret' : 'key')
      const { process, adminPort } = await prepareSidecar(site, started, {
        exchange: hub.exchange,
        cache: { redis, timeout: redisTimeout },
      })
      const newLines = Math.max(leastColdTokens, coldTokensPerSecond * site.secondsUnderLoad)
      const lines = await site.tokens.of(site.login, newLines)
      return {
        processes: [hub.process, process],
        load: { url: `http://127.0.0.1:${process.port}`, lines },
        newLines,
        proof: { adminPort, source: 'issued' },
      }
    },
  }
}
