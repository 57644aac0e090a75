import type { Fill } from './contestant.ts'
import { readSources } from './exchange-sources.ts'

/** Load that brings nothing new may be sent again so often: it goes around, over what is known, to what was left out. */
const patience = 5

/**
 * Sends load until a sidecar has issued so many tokens.
 *
 * @param load sends some of it
 */
export async function fillMemory({ adminPort, tokens }: Fill, load: () => Promise<unknown>): Promise<void> {
  let issued = 0
  for (let inVain = 0; ; ) {
    const before = issued
    issued = (await readSources(adminPort)).get('issued') ?? 0
    if (issued >= tokens) return
    process.stderr.write(`  ${issued} of ${tokens} tokens are there\n`)
    inVain = issued === before ? inVain + 1 : 0
    if (inVain > patience) throw new Error(`only ${issued} of ${tokens} tokens were issued`)
    await load()
  }
}
