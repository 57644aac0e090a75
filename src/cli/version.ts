import { release } from '../base/release.ts'
import type { Command } from './command.ts'

/** `hopgate version`: name and version on one line. */
export const version: Command = async (_args, output) => {
  output.stdout.write(`hopgate ${release} (Node ${process.versions.node})\n`)
  return 0
}
