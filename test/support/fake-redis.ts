import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

/** What a fake Redis answers to one command: raw RESP, or nothing at all. */
export type FakeRedisAnswer = string | undefined

export interface FakeRedis {
  readonly port: number
  /** Every command received, upper-case name first. */
  readonly commands: (readonly string[])[]
  close(): Promise<void>
}

/** A server that speaks just enough RESP to answer badly. */
export async function startFakeRedis(
  answer: (command: readonly string[], socket: Socket) => FakeRedisAnswer,
  tls?: { readonly key: string; readonly cert: string },
): Promise<FakeRedis> {
  const commands: (readonly string[])[] = []
  const sockets = new Set<Socket>()
  const serve = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let pending = ''
    socket.on('data', chunk => {
      pending += chunk.toString('latin1')
      for (;;) {
        const read = readCommand(pending)
        if (read === undefined) return
        pending = read.rest
        commands.push(read.command)
        const reply = answer(read.command, socket)
        if (reply !== undefined && !socket.destroyed) socket.write(reply, 'latin1')
      }
    })
  }
  const server: Server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    commands,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** One command as clients send it: an array of bulk strings. */
function readCommand(text: string): { command: string[]; rest: string } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text)
  if (head === null) return undefined
  let rest = text.slice(head[0].length)
  const command: string[] = []
  for (let index = 0; index < Number(head[1]); index++) {
    const bulk = /^\$(\d+)\r\n/.exec(rest)
    if (bulk === null) return undefined
    const start = bulk[0].length
    const length = Number(bulk[1])
    if (rest.length < start + length + 2) return undefined
    command.push(rest.slice(start, start + length))
    rest = rest.slice(start + length + 2)
  }
  command[0] = (command[0] ?? '').toUpperCase()
  return { command, rest }
}
