/** Runs named checks one after the other, prints how each ended, and counts. */
export interface Checklist {
  /** The name states the guarantee. A check fails by throwing; the next one runs all the same. */
  check(name: string, run: () => Promise<void> | void): Promise<void>
  readonly passed: number
  readonly failed: number
}

export function createChecklist(say: (text: string) => void): Checklist {
  let passed = 0
  let failed = 0
  return {
    async check(name, run) {
      const started = Date.now()
      try {
        await run()
        passed++
        say(`  ok      ${name} (${Date.now() - started} ms)`)
      } catch (error) {
        failed++
        say(`  FAILED  ${name}\n${error instanceof Error ? error.message : String(error)}`)
      }
    },
    get passed() {
      return passed
    },
    get failed() {
      return failed
    },
  }
}
