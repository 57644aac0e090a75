import type { Fill } from './contestant.ts'
import { readSources } from './exchange-sources.ts'

/**
 * Sends load until a sidecar has issued so many tokens.
 *
 * @param load sends some of it
 */
export async function fillMemory({ adminPort, tokens }: Fill, load: () => Promise<unknown>): Promise<void> {
  let issued = -1
  for (;;) {
    const before = issued
    issued = (await readSources(adminPort)).get('issued') ?? 0
    if (issued >= tokens) return
    if (issued === before) throw new Error(`only ${issued} of ${tokens} tokens were issued`)
    await load()
  }
}
