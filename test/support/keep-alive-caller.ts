import { openRaw, parseResponses, type RawResponse } from './raw-client.ts'

/** One connection of a caller who sends request after request, and may lose patience. */
export interface KeepAliveCaller {
  /** Sends these bytes and breaks the connection off. */
  abort(bytes?: Buffer): void
  /**
   * Sends one request and resolves with its final answer, or with the beginning of it when the connection ends before;
   * rejects when it ends without any.
   */
  send(bytes: Buffer, isHead?: boolean): Promise<RawResponse>
  isClosed(): boolean
}

export async function openCaller(port: number): Promise<KeepAliveCaller> {
  const socket = await openRaw(port)
  return {
    abort(bytes = Buffer.alloc(0)) {
      socket.write(bytes, () => socket.destroy())
    },
    send: (bytes, isHead = false) =>
      new Promise((resolve, reject) => {
        let received = Buffer.alloc(0)
        const findFinal = (closed: boolean): RawResponse | undefined =>
          parseResponses(received, closed, isHead).find(({ status }) => status >= 200)
        const onData = (chunk: Buffer): void => {
          received = Buffer.concat([received, chunk])
          const answer = findFinal(false)
          if (answer?.complete !== true) return
          socket.off('data', onData).off('close', onClose)
          resolve(answer)
        }
        const onClose = (): void => {
          socket.off('data', onData)
          const answer = findFinal(true)
          if (answer === undefined) reject(new Error('closed without an answer'))
          else resolve(answer)
        }
        if (socket.destroyed) return onClose()
        socket.on('data', onData).once('close', onClose)
        socket.write(bytes)
      }),
    isClosed: () => socket.destroyed,
  }
}
