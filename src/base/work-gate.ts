/** Lets only so much expensive work run at a time, and only so much wait for it. */
export interface WorkGate {
  /**
   * Runs work when its turn comes.
   *
   * @param key whom it is for: nobody may fill the queue alone
   * @returns `full` at once when too much waits already
   */
  run<T>(key: string, work: () => Promise<T>): Promise<T | 'full'>
}

export interface WorkGateLimits {
  /** How much runs at a time. */
  readonly maxRunning: number
  readonly maxWaiting: number
  readonly maxWaitingPerKey: number
}

/** A gate whose turns are taken in the order of arrival. */
export function createWorkGate(limits: WorkGateLimits): WorkGate {
  const waiting: { readonly key: string; readonly start: () => void }[] = []
  let running = 0
  const enter = async (key: string): Promise<void> => {
    if (running < limits.maxRunning) {
      running += 1
      return
    }
    await new Promise<void>(start => waiting.push({ key, start }))
  }
  const leave = (): void => {
    const next = waiting.shift()
    // The place goes over to who comes next without being free in between.
    if (next === undefined) running -= 1
    else next.start()
  }
  return {
    async run(key, work) {
      if (running >= limits.maxRunning) {
        if (waiting.length >= limits.maxWaiting) return 'full'
        if (waiting.filter(one => one.key === key).length >= limits.maxWaitingPerKey) return 'full'
      }
      await enter(key)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}
