import { Agent, request } from 'node:http'

/** What became of the requests of one load. */
export interface LoadResult {
  /** Answers, by status. */
  readonly answers: ReadonlyMap<number, number>
  /** Requests without a whole answer, by client and then in order: the system's code. */
  readonly failures: readonly (readonly string[])[]
}

/** Clients that send one request after the other until they are told to stop. */
export interface Load {
  /** Answers so far. */
  readonly answered: number
  /** Resolves when every client has its last answer. */
  stop(): Promise<LoadResult>
}

export interface LoadOptions {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly clients: number
  /** Whether a client goes on with its connection. Default: true. */
  readonly keepsAlive?: boolean
}

const timeoutMs = 20_000

/**
 * Starts clients, each with a connection of its own. A kept connection that the server closes just when the next request
 * is sent is no failure: the request is sent once more on a new one, as every client does (RFC 9112 §9.3.1).
 */
export function startLoad({ url, headers = {}, clients, keepsAlive = true }: LoadOptions): Load {
  const answers = new Map<number, number>()
  let answered = 0
  let isStopped = false

  const runClient = async (): Promise<string[]> => {
    const agent = new Agent({ keepAlive: keepsAlive, maxSockets: 1 })
    const failures: string[] = []
    while (!isStopped) {
      const status = await ask(agent)
      if (typeof status === 'number') {
        answers.set(status, (answers.get(status) ?? 0) + 1)
        answered += 1
      } else {
        failures.push(status)
        // Nobody listens any more: the next one would fare the same.
        if (status === 'ECONNREFUSED') await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
    agent.destroy()
    return failures
  }

  const ask = (agent: Agent, isAgain = false): Promise<number | string> =>
    new Promise(resolve => {
      const outgoing = request(url, { agent, headers }, response => {
        response.resume()
        response.on('end', () => resolve(response.complete ? (response.statusCode ?? 0) : 'incomplete'))
        response.on('error', (error: NodeJS.ErrnoException) => resolve(`incomplete ${error.code}`))
      })
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error('no answer')))
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const code = error.code ?? error.message
        if (outgoing.reusedSocket && code === 'ECONNRESET' && !isAgain) resolve(ask(agent, true))
        else resolve(code)
      })
      outgoing.end()
    })

  const running = Promise.all(Array.from({ length: clients }, runClient))
  return {
    get answered() {
      return answered
    },
    async stop() {
      isStopped = true
      return { answers, failures: await running }
    },
  }
}
