import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'

/** Enough for what came meanwhile to be read, acted on and answered within one process. */
const turns = 20

/**
 * Waits for a time, and then until the event loop has gone round a few times: where the machine holds the process up, a
 * timer alone ends before what came in the meantime was read. For what cannot be asked; otherwise `until`.
 */
export async function pause(ms: number): Promise<void> {
  await sleep(ms)
  for (let count = 0; count < turns; count++) await turn()
}
