import { join } from 'node:path'
import { findFreePort } from '../../../src/assemble/demo/ports.ts'
import type { Contestant } from '../contestant.ts'
import { largeBody, mediumBody, ordinaryRequest, type RequestKind, secureRequest } from '../request-kinds.ts'
import type { Site } from '../site.ts'
import { certificateFiles } from '../tls-files.ts'

const floorFile = 'undici-pass-through.ts'

/** What ours is measured by: no proxy at all, Node alone, the least that a proxy on Node can do, and http-proxy-3. */
export const yardsticks: readonly Contestant[] = [
  {
    name: 'direct',
    title: 'no proxy (its CPU is the upstream’s)',
    measurement: 'requests',
    prepare: async site => ({
      processes: [],
      counted: [site.upstream.process],
      load: await ordinaryRequest(site, site.upstream.port),
    }),
  },
  nodeProgram('node-answers', '`node:http` answering itself', 'node-answers.ts'),
  nodeProgram('floor', '`node:http` → undici: the floor', floorFile),
  nodeProgram('http-proxy-3', 'http-proxy-3', 'http-proxy-3.ts'),
  nodeProgram('floor-4k', 'the floor, 4 KB body', floorFile, mediumBody),
  nodeProgram('floor-1m', 'the floor, 1 MB body', floorFile, largeBody),
  nodeProgram('floor-tls', 'the floor, TLS inbound', floorFile, secureRequest),
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
    measurement: 'requests',
    async prepare(site: Site) {
      const port = await findFreePort()
      const command = [process.execPath, join(import.meta.dirname, '../peers', file)]
      const load = await request(site, port)
      const secure = load.url.startsWith('https:') ? certificateFiles(site) : undefined
      const env = {
        UPSTREAM: site.upstream.url,
        ...(secure !== undefined && { TLS_CERT: secure.cert, TLS_KEY: secure.key }),
      }
      return { processes: [{ name, command, env, port }], load }
    },
  }
}
