type Signals = Pick<NodeJS.Process, 'pid' | 'on' | 'listenerCount' | 'exit'>

/**
 * Has the first process of a container end at a SIGTERM or SIGINT that nobody else listens to, with the status that a
 * shell reports for it (143, 130). The kernel does so for every other process; for the first it drops the signal, and a
 * container that is stopped while it starts would use up its whole grace time.
 */
export function endAtUnheardSignal(target: Signals = process): void {
  if (target.pid !== 1) return
  for (const [signal, status] of [['SIGTERM', 143] as const, ['SIGINT', 130] as const]) {
    target.on(signal, () => {
      if (target.listenerCount(signal) === 1) target.exit(status)
    })
  }
}
