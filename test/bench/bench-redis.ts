import { execFileSync } from 'node:child_process'
import { findRedisServer, startRedisServer } from '../../src/assemble/demo/redis-server.ts'
import { Unavailable } from './contestant.ts'
import type { Site } from './site.ts'

/**
 * Starts an empty Redis on the load's processor, for one contestant, and ends it with `started`.
 *
 * @returns its URL
 * @throws Unavailable when none is installed
 */
export async function startBenchRedis(site: Site, started: AsyncDisposableStack): Promise<string> {
  const binary = findRedisServer()
  if (binary === undefined)
    throw new Unavailable('not installed: redis-server (on Debian: apt-get install redis-server)')
  const server = await startRedisServer({ binary })
  started.defer(() => server.stop())
  execFileSync('taskset', ['-acp', String(site.cpus.load), String(server.pid)], { stdio: 'ignore' })
  return server.url
}
