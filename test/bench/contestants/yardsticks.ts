import { join } from 'node:path'
import { findFreePort } from '../../../src/assemble/demo/ports.ts'
import type { Contestant } from '../contestant.ts'
import { largeBody, mediumBody, ordinaryRequest, type RequestKind } from '../requests.ts'
import type { Site } from '../site.ts'

/** What ours is measured by: no proxy at all, Node alone, the least that a proxy on Node can do, and http-proxy-3. */
export const yardsticks: readonly Contestant[] = [
  {
    name: 'direct',
    title: 'direct: no proxy (its CPU is the upstream’s)',
    prepare: async site => ({
      processes: [],
      counted: [site.upstream.process],
      load: await ordinaryRequest(site, site.upstream.port),
    }),
  },
  nodeProgram('node-answers', '`node:http` answering itself', 'node-answers.ts'),
  nodeProgram('floor', '`node:http` → undici: the floor', 'undici-pass-through.ts'),
  nodeProgram('http-proxy-3', 'http-proxy-3', 'http-proxy-3.ts'),
  nodeProgram('floor-4k', 'the floor, 4 KB body', 'undici-pass-through.ts', mediumBody),
  nodeProgram('floor-1m', 'the floor, 1 MB body', 'undici-pass-through.ts', largeBody),
]

function nodeProgram(
  name: string,
  title: string,
  file: string,
  request: RequestKind = ordinaryRequest,
): Contestant {
  return {
    name,
    title,
    async prepare(site: Site) {
      const port = await findFreePort()
      const command = [process.execPath, join(import.meta.dirname, '../peers', file)]
      const env = { UPSTREAM: site.upstream.url }
      return { processes: [{ name, command, env, port }], load: await request(site, port) }
    },
  }
}
