import { appendedFile, type LineTarget, standardOutput, systemErrorCode } from './line-target.ts'

export interface LineWriterOptions {
  /** Appended to; standard output when absent. */
  readonly file?: string | undefined
  /** How many lines may wait to be written. */
  readonly queue: number
  /** Called with the number of lines that were accepted and, when closing, could not be written. */
  onLost?(count: number): void
  /** Called when writing begins to fail, with the system's code (`ENOSPC`, `EPIPE`, …), once until it works again. */
  onFailing?(code: string): void
  /** Called when it works again. */
  onRecovered?(): void
}

/** Appends lines to a file or to standard output without making the caller wait for either. */
export interface LineWriter {
  /**
   * Queues one line, which must hold no line end.
   *
   * @returns false when the queue is full or closed: the line is lost
   */
  write(line: string): boolean
  /** False while the next line could be lost: the queue is full, or writing fails. */
  isAccepting(): boolean
  /** Opens the file again, for a rotation that announces itself (SIGHUP). Does nothing on standard output. */
  reopen(): void
  /** Writes what is queued, for at most three seconds; what is left then is lost, and told to `onLost`. */
  close(): Promise<void>
}

/**
 * A writer for lines, such as audit events.
 *
 * Lines wait in memory, at most `queue` of them, and go out in batches, one write at a time. A pipe that is full is
 * tried again after a moment. While the disk is full, the file cannot be opened or the reader is gone, the queue is
 * kept and the write repeated, with growing pauses, until it works. A file that was renamed or removed is noticed
 * within a second of the next line and made anew; no line is split between two files.
 *
 * @throws the system's error when the file cannot be opened at the start
 */
export function createLineWriter(options: LineWriterOptions): LineWriter {
  const target = options.file === undefined ? standardOutput() : appendedFile(options.file)
  return new BatchingLineWriter(target, options)
}

/**
 * Lines are gathered for this long: one system call for many, and every one is another thread's turn, which at 5 ms was a
 * twentieth of what a request costs. A kill loses no more than this and what waits.
 */
const gatherMs = 20
const batchChars = 256 * 1024
/** Bytes of UTF-8 for one UTF-16 code unit, at most. */
const longestUtf8 = 3
const rotationCheckMs = 1_000
const busyPauseMs = { first: 1, longest: 50 }
const failurePauseMs = { first: 50, longest: 1_000 }
const closeTimeoutMs = 3_000

/** These end by themselves, and what was written of a line is still there. After any other the file is opened again. */
const fullDisk: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT'])
const busy: ReadonlySet<string> = new Set(['EAGAIN', 'EINTR'])

interface Batch {
  text: string
  lines: number
}

/** {@link createLineWriter} on any target; exported for tests, which bring disks that fail on command. */
export class BatchingLineWriter implements LineWriter {
  readonly #target: LineTarget
  readonly #options: LineWriterOptions
  readonly #batches: Batch[] = []
  /** What is being written; it stays until its last byte is taken. */
  #current: { readonly bytes: Buffer; readonly lines: number; offset: number } | undefined
  /** Where batches are encoded, one after the other: there is only one write at a time. */
  #space = Buffer.allocUnsafeSlow(longestUtf8 * batchChars)
  /** Lines accepted and not yet written, those of {@link #current} included. */
  #waiting = 0
  #timer: NodeJS.Timeout | undefined
  #draining: Promise<void> | undefined
  #checkedAtMs = performance.now()
  #reopenAsked = false
  #failing = false
  #isClosing = false
  #closed: Promise<void> | undefined
  #abandoned = false
  #endPause: (() => void) | undefined

  constructor(target: LineTarget, options: LineWriterOptions) {
    this.#target = target
    this.#options = options
  }

  write(line: string): boolean {
    if (this.#isClosing || this.#waiting >= this.#options.queue) return false
    this.#waiting++
    const last = this.#batches[this.#batches.length - 1]
    if (last === undefined || last.text.length >= batchChars) {
      this.#batches.push({ text: `${line}\n`, lines: 1 })
    } else {
      last.text += `${line}\n`
      last.lines++
    }
    if (this.#draining === undefined) this.#schedule()
    return true
  }

  isAccepting(): boolean {
    return !this.#isClosing && !this.#failing && this.#waiting < this.#options.queue
  }

  reopen(): void {
    if (this.#isClosing || !this.#target.reopens) return
    this.#reopenAsked = true
    this.#run()
  }

  close(): Promise<void> {
    this.#isClosing = true
    this.#closed ??= this.#flushAndClose()
    return this.#closed
  }

  #schedule(): void {
    // Of a queue that is small for the traffic, the rest must not fill up while nothing is written.
    if (this.#hasFullBatch() || 2 * this.#waiting >= this.#options.queue) this.#run()
    else this.#timer ??= setTimeout(() => this.#run(), gatherMs)
  }

  #hasFullBatch(): boolean {
    return (this.#batches[0]?.text.length ?? 0) >= batchChars
  }

  #run(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined
      if (this.#isClosing) return
      if (this.#reopenAsked) this.#run()
      else if (this.#waiting > 0) this.#schedule()
    })
    return this.#draining
  }

  /** Writes until only a small rest is left, which is gathered first, or until nothing is when closing. */
  async #drain(): Promise<void> {
    for (let attempt = 0; !this.#abandoned; ) {
      try {
        await this.#refreshTarget()
        this.#current ??= this.#takeBatch()
        const batch = this.#current
        if (batch === undefined) return this.#succeeded()
        const taken = await this.#target.write(batch.bytes, batch.offset)
        this.#succeeded()
        attempt = 0
        batch.offset += taken
        if (batch.offset < batch.bytes.length) continue
        this.#current = undefined
        this.#waiting -= batch.lines
        if (!this.#isClosing && !this.#hasFullBatch()) return
      } catch (cause) {
        await this.#failed(systemErrorCode(cause), attempt++)
      }
    }
  }

  #takeBatch(): { bytes: Buffer; lines: number; offset: number } | undefined {
    const batch = this.#batches.shift()
    if (batch === undefined) return undefined
    // Room for the longest form that the text could have: counting its bytes first would read all of it twice. What is not
    // written to takes no memory.
    const most = longestUtf8 * batch.text.length
    if (most > this.#space.length) this.#space = Buffer.allocUnsafeSlow(most)
    const size = this.#space.write(batch.text)
    return { bytes: this.#space.subarray(0, size), lines: batch.lines, offset: 0 }
  }

  async #refreshTarget(): Promise<void> {
    const now = performance.now()
    const force = this.#reopenAsked
    if (!force && !this.#failing && now - this.#checkedAtMs < rotationCheckMs) return
    this.#checkedAtMs = now
    this.#reopenAsked = false
    try {
      const opened = await this.#target.refresh(force)
      if (opened && this.#current !== undefined) this.#current.offset = lineStart(this.#current)
    } catch (cause) {
      this.#reopenAsked = true
      throw cause
    }
  }

  #succeeded(): void {
    if (!this.#failing) return
    this.#failing = false
    this.#options.onRecovered?.()
  }

  async #failed(code: string, attempt: number): Promise<void> {
    if (busy.has(code)) return this.#pause(busyPauseMs, attempt)
    if (this.#target.reopens && !fullDisk.has(code)) this.#reopenAsked = true
    if (!this.#failing) {
      this.#failing = true
      this.#options.onFailing?.(code)
    }
    const gone = code === 'EPIPE' && !this.#target.reopens
    if (gone && this.#isClosing) this.#abandoned = true
    else await this.#pause(failurePauseMs, attempt)
  }

  /** Waits, longer at each attempt. Closing cuts a wait short, and afterwards waits are as short as the first. */
  async #pause(pause: { readonly first: number; readonly longest: number }, attempt: number): Promise<void> {
    const longest = this.#isClosing ? pause.first : pause.longest
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.min(longest, pause.first * 2 ** Math.min(attempt, 16)))
    this.#endPause = resolve
    await promise
    clearTimeout(timer)
  }

  async #flushAndClose(): Promise<void> {
    const { promise: stuck, resolve: giveUp } = Promise.withResolvers<'stuck'>()
    const timers = [
      setTimeout(() => {
        this.#abandoned = true
      }, closeTimeoutMs),
      // A write that hangs is not waited for: its bytes may or may not arrive, and count as lost.
      setTimeout(giveUp, closeTimeoutMs + 2 * failurePauseMs.first, 'stuck'),
    ]
    this.#endPause?.()
    let isStuck = false
    while (this.#waiting > 0 && !this.#abandoned && !isStuck) {
      isStuck = (await Promise.race([this.#run(), stuck])) === 'stuck'
    }
    // A file that cannot be opened again is tried no more, though nothing waits for it.
    this.#abandoned = true
    if (!isStuck) isStuck = (await Promise.race([this.#draining, stuck])) === 'stuck'
    for (const timer of timers) clearTimeout(timer)
    clearTimeout(this.#timer)
    if (this.#waiting > 0) this.#options.onLost?.(this.#waiting)
    this.#waiting = 0
    if (!isStuck) this.#target.close()
  }
}

/** The start of the line that the next byte belongs to. */
function lineStart(batch: { readonly bytes: Buffer; readonly offset: number }): number {
  return batch.offset === 0 ? 0 : batch.bytes.lastIndexOf(0x0a, batch.offset - 1) + 1
}
