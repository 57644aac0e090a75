import { randomUUID } from 'node:crypto'
import type { Log } from '../../base/log.ts'
import type { Secret } from '../../base/secret.ts'
import { type DemoHop, traceCall } from './demo-hop.ts'
import { tryRefusals } from './demo-refusals.ts'
import { type DemoReport, formatHops, formatRefusals } from './demo-report.ts'
import { type DemoSystem, startDemoSystem } from './demo-system.ts'
import { checkCall, checkRefusals } from './expectations.ts'
import { readClaims } from './read-claims.ts'
import { keepTokensFresh, linesToType } from './try-it.ts'

export interface DemoOptions {
  /** Ends after the report instead of waiting for the signal. */
  readonly once: boolean
  readonly log: Log
  /** Lines for people. */
  readonly tell: (line: string) => void
  /** Takes the report as soon as it is complete. */
  readonly show?: (report: DemoReport) => void
  /** The end: of the start when it is still under way, else of the wait. */
  readonly signal: AbortSignal
}

/** What the demo saw, and everything about it that is not as it must be. */
export interface DemoOutcome extends DemoReport {
  readonly wrong: readonly string[]
}

const scope = 'shop:read orders:read billing:read'

/** Runs the demo to its end. Whatever happens, nothing of it is left: no process, no port, no file. */
export async function runDemo(options: DemoOptions): Promise<DemoOutcome> {
  const { tell, signal } = options
  tell('starting a login provider, a hub, three services and a gate before each …')
  const system = await startDemoSystem({ ...options, friendlyPorts: !options.once })
  await using _ = { [Symbol.asyncDispose]: () => system.close() }
  tell(system.redis === undefined ? 'cache: memory' : `cache: memory and Redis, ${system.redis.description}`)

  const token = await system.login.logIn({ user: 'alice', scope })
  const outcome = await perform(system, token, tell)
  options.show?.(outcome)
  if (options.once || signal.aborted) return outcome

  using fresh = await keepTokensFresh(system, scope, options.log)
  for (const line of linesToType(system, fresh)) tell(line)
  await untilAborted(signal)
  return outcome
}

async function perform(system: DemoSystem, token: Secret, tell: DemoOptions['tell']): Promise<DemoOutcome> {
  const presentedTokenId = String(readClaims(token)?.['jti'])
  const wrong: string[] = []
  const call = async (title: string, source: string): Promise<readonly DemoHop[]> => {
    const hops = await traceCall(system, token, `demo-${randomUUID()}`)
    wrong.push(...checkCall(hops, { subject: 'alice', source, presentedTokenId }))
    tellAll(tell, title, formatHops(hops))
    return hops
  }
  tell('')
  tell(
    'alice logs in at shop-web and opens her basket. The storefront asks orders, orders asks billing, and each',
  )
  tell('hands on the token that it was handed. The gate before each exchanges it.')
  const hops = await call('the first call', 'issued')
  await call('the same call again', 'memory')
  if (system.redis !== undefined) {
    await system.restartGates()
    await call('once more, after a restart of the gates', 'redis')
  }
  const refusals = await tryRefusals(system, token)
  wrong.push(...checkRefusals(refusals))
  tellAll(tell, 'what does not get through', formatRefusals(refusals))
  return { hops, refusals, wrong }
}

function tellAll(tell: DemoOptions['tell'], title: string, lines: readonly string[]): void {
  for (const line of ['', `${title}:`, ...lines.map(each => `  ${each}`)]) tell(line)
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
