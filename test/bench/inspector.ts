import type { ServerProcess } from './server-process.ts'

/** A connection to the inspector of a Node process. */
export interface Inspector extends Disposable {
  /** Sends one command of the DevTools protocol and waits for its answer. */
  send<T>(method: string, params?: Readonly<Record<string, unknown>>): Promise<T>
}

interface Answer {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** A Node program with its inspector open on a loopback port. */
export function withInspector(server: ServerProcess, port: number): ServerProcess {
  const [node = '', ...words] = server.command
  return { ...server, command: [node, `--inspect=127.0.0.1:${port}`, ...words] }
}

/** Connects to the inspector on a loopback port. */
export async function connectInspector(port: number): Promise<Inspector> {
  const response = await fetch(`http://127.0.0.1:${port}/json/list`)
  const [target] = (await response.json()) as readonly { readonly webSocketDebuggerUrl: string }[]
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '')
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let lastId = 0
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer
    if (answer.id === undefined) return
    const promise = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (answer.error === undefined) promise?.resolve(answer.result)
    else promise?.reject(new Error(`the inspector says: ${answer.error.message}`))
  }
  socket.onclose = () => {
    for (const promise of waiting.values()) promise.reject(new Error('the inspector went away'))
    waiting.clear()
  }
  return {
    send<T>(method: string, params: Readonly<Record<string, unknown>> = {}) {
      const promise = Promise.withResolvers<unknown>()
      lastId++
      waiting.set(lastId, promise)
      socket.send(JSON.stringify({ id: lastId, method, params }))
      return promise.promise as Promise<T>
    },
    [Symbol.dispose]: () => socket.close(),
  }
}
