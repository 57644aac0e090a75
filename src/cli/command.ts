/** What a command writes to. `process` fits; tests collect. */
export interface CommandOutput {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

/** Runs one command to its end and answers the exit code: 0 done, 1 failed, 2 wrong usage. */
export type Command = (args: string[], output: CommandOutput) => Promise<number>
