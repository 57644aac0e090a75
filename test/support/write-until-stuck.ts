import type { Writable } from 'node:stream'

/** What became of writing as fast as possible. */
export interface Written {
  /** Handed to the socket, its own buffer included. */
  readonly bytes: number
  /** Whether the other end stopped taking more; false when the socket closed or `mostBytes` were written. */
  readonly isStuck: boolean
}

/** Writes the same piece again and again until nothing moves for `stuckMs`, the socket is closed, or it is enough. */
export async function writeUntilStuck(
  socket: Writable,
  piece: Buffer | string,
  mostBytes = 64 * 1024 * 1024,
  stuckMs = 400,
): Promise<Written> {
  let bytes = 0
  while (!socket.destroyed && bytes < mostBytes) {
    bytes += piece.length
    if (socket.write(piece)) continue
    if ((await nextEvent(socket, stuckMs)) === 'none') return { bytes, isStuck: true }
  }
  return { bytes, isStuck: false }
}

function nextEvent(socket: Writable, timeoutMs: number): Promise<'drain' | 'close' | 'none'> {
  return new Promise(resolve => {
    const finish = (event: 'drain' | 'close' | 'none'): void => {
      clearTimeout(timer)
      socket.off('drain', onDrain).off('close', onClose)
      resolve(event)
    }
    const onDrain = (): void => finish('drain')
    const onClose = (): void => finish('close')
    const timer = setTimeout(finish, timeoutMs, 'none')
    socket.once('drain', onDrain).once('close', onClose)
  })
}
