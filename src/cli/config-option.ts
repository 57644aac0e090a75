import { parseArgs } from 'node:util'

/** The file that `--config FILE` or `-c FILE` names; undefined for any other arguments. */
export function readConfigOption(args: readonly string[]): string | undefined {
  try {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string', short: 'c' } } })
    return values.config
  } catch {
    return undefined
  }
}
