import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import type { Options } from './options.ts'
import { TokenLines } from './token-lines.ts'
import { startUpstream, type Upstream } from './upstream.ts'

/** What one run shares among its contestants: folder, processors, upstream, the caller's login provider. */
export interface Site extends AsyncDisposable {
  /** For files; gone with the site. */
  readonly folder: string
  readonly cpus: { readonly peer: number; readonly load: number }
  readonly upstream: Upstream
  /** Signs with RS256, as most login providers do. */
  readonly login: TestIssuer
  /** Signs with ES256, which is quick: for measurements that need more tokens than RS256 can sign in time. */
  readonly quickLogin: TestIssuer
  /** Many tokens, signed ahead. */
  readonly tokens: TokenLines
  /** The executable that is measured, a path. */
  readonly entry: string
  /** How long one contestant is under load in one round, with its warm-up. */
  readonly secondsUnderLoad: number
}

/** Makes the folder and the keys, and starts the upstream. */
export async function openSite({ entries, warmUpSeconds, seconds }: Options): Promise<Site> {
  await using opened = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'hopgate-bench-'))
  // At the exit, so that it goes after an interruption too.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const places = { peer: 0, load: cpus().length > 1 ? 1 : 0 }
  const upstream = await startUpstream(folder, places.load)
  opened.use(upstream.process)
  const login = await createTestIssuer({ issuer: 'https://login.test', algorithm: 'RS256' })
  const quickLogin = await createTestIssuer({ issuer: 'https://quick-login.test', algorithm: 'ES256' })
  const stack = opened.move()
  return {
    folder,
    cpus: places,
    upstream,
    login,
    quickLogin,
    tokens: new TokenLines(folder),
    entry: entries[0],
    secondsUnderLoad: warmUpSeconds + seconds,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
