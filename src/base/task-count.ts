/** Counts what is under way, and tells when nothing is. */
export class TaskCount {
  #count = 0
  #idle: PromiseWithResolvers<void> | undefined
  readonly #end = (): void => {
    this.#count -= 1
    if (this.#count === 0) this.#idle?.resolve()
  }

  /** Counts a task until it has ended, however it ends. Answers the same promise. */
  add<T>(task: Promise<T>): Promise<T> {
    this.#count += 1
    task.then(this.#end, this.#end)
    return task
  }

  /** Resolves when no task is under way. To be asked when no more are added. */
  async idle(): Promise<void> {
    if (this.#count === 0) return
    this.#idle ??= Promise.withResolvers()
    await this.#idle.promise
  }
}
