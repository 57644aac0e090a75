import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  type Metadata,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js'
import { WebSocketServer } from 'ws'
import { echoService } from './echo-service.ts'

/** The services behind the sidecars. */
export interface Upstreams {
  readonly httpUrl: string
  readonly grpcUrl: string
  /** Every token that arrived, for the search for leaks. */
  readonly tokens: ReadonlySet<string>
  close(): void
}

/** Answers with the subject of the token that arrived, so that a caller notices somebody else's. */
export async function startUpstreams(): Promise<Upstreams> {
  const tokens = new Set<string>()
  const subjectOf = (authorization: string | undefined): string => {
    const token = (authorization ?? '').replace('Bearer ', '')
    tokens.add(token)
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
    return payload === '' ? 'nobody' : JSON.parse(payload).sub
  }
  const server = createServer({ keepAliveTimeout: 5_000 }, (request, response) => {
    const subject = subjectOf(request.headers.authorization)
    if (request.url === '/orders/reset') return void request.socket.destroy()
    if (request.url === '/orders/half') {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('x'.repeat(500), () => setTimeout(() => request.socket.destroy(), 5))
      return
    }
    if (request.url === '/orders/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      let count = 0
      const timer = setInterval(() => {
        response.write(`data: ${subject}\n\n`)
        if (++count === 5) response.end()
        if (count === 5) clearInterval(timer)
      }, 100)
      response.once('close', () => clearInterval(timer))
      return
    }
    void bodyBytes(request).then(bytes => response.end(`${subject} ${bytes}`))
  })
  const websockets = new WebSocketServer({ server })
  websockets.on('connection', (socket, request) => {
    const subject = subjectOf(request.headers.authorization)
    socket.on('error', () => {})
    socket.on('message', data => socket.send(`${subject} ${data}`))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket).size)

  const grpc = new Server()
  const tokenOf = ({ metadata }: { readonly metadata: Metadata }): string =>
    String(metadata.get('authorization')[0])
  const say: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    done(null, Buffer.from(`${subjectOf(tokenOf(call))} ${call.request.length}`))
  }
  const talk: handleBidiStreamingCall<Buffer, Buffer> = call => {
    const subject = subjectOf(tokenOf(call))
    call.on('data', (piece: Buffer) => call.write(Buffer.from(`${subject} ${piece.length}`)))
    call.on('end', () => call.end())
  }
  grpc.addService(echoService, { Say: say, Talk: talk })
  const grpcPort = await new Promise<number>((resolve, reject) =>
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  )
  return {
    httpUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    grpcUrl: `http://127.0.0.1:${grpcPort}`,
    tokens,
    close() {
      websockets.close()
      server.close()
      for (const socket of sockets) socket.destroy()
      grpc.forceShutdown()
    },
  }
}

async function bodyBytes(request: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const chunk of request) bytes += (chunk as Buffer).length
  return bytes
}
