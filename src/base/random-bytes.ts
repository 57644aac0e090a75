import { randomFillSync } from 'node:crypto'

const blockBytes = 4_096
let block = Buffer.alloc(0)
let used = 0

/**
 * Bytes that nobody can predict, and that nobody else gets. They are drawn in blocks: asking the generator each time
 * costs ten times as much.
 *
 * @param count at most 4096
 */
export function takeRandomBytes(count: number): Buffer {
  if (used + count > block.length) {
    // A new one: what was handed out of the old one stays as it is.
    block = randomFillSync(Buffer.allocUnsafeSlow(blockBytes))
    used = 0
  }
  const taken = block.subarray(used, used + count)
  used += count
  return taken
}
