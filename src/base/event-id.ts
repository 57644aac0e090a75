import { randomFillSync } from 'node:crypto'
import type { EpochSeconds } from './clock.ts'

/** A clock that was set back further than this is followed; before that, ids go on from the latest time. */
const toleratedStepMs = 10_000
const poolBytes = 4096
const bytesPerId = 8

/**
 * Makes UUIDs of version 7 (RFC 9562 §5.7): they sort by time as text, and in the order made within a millisecond
 * (§6.2 method 1, a counter that starts at random). Randomness is drawn in blocks, so that an id costs a fraction of
 * a microsecond; 62 bits of each are random.
 */
export function createEventIds(
  fill: (pool: Buffer) => Buffer = randomFillSync,
): (now: EpochSeconds) => string {
  const pool = Buffer.allocUnsafe(poolBytes)
  let poolHex = ''
  let used = poolBytes
  let latestMs = -1
  let counter = 0
  let prefix = ''

  /** The place in the pool of eight bytes that nobody has seen. */
  const draw = (): number => {
    if (used === poolBytes) {
      poolHex = fill(pool).toString('hex')
      used = 0
    }
    const at = used
    used += bytesPerId
    return at
  }

  const startMillisecond = (ms: number): void => {
    latestMs = ms
    // The top bit stays clear, so that at least 2,048 ids fit into a millisecond.
    counter = pool.readUInt16BE(draw()) & 0x7ff
    const digits = ms.toString(16).padStart(12, '0')
    prefix = `${digits.slice(0, 8)}-${digits.slice(8)}-7`
  }

  return now => {
    const ms = Math.max(0, Math.floor(now * 1000))
    if (ms > latestMs || ms < latestMs - toleratedStepMs) startMillisecond(ms)
    else if (counter === 0xfff) startMillisecond(latestMs + 1)
    else counter++
    const count = counter.toString(16).padStart(3, '0')
    const at = draw()
    const variant = '89ab'[(pool[at] as number) & 3]
    const random = 2 * at + 1
    return `${prefix}${count}-${variant}${poolHex.slice(random, random + 3)}-${poolHex.slice(random + 3, random + 15)}`
  }
}
