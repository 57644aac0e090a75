import { createServer, type ServerHttp2Stream } from 'node:http2'
import { grpcMessage } from '../grpc-message.ts'

/** A gRPC service without TLS: answers each unary call with a message of 100 bytes. */
const answer = grpcMessage(100)

createServer()
  .on('stream', (stream: ServerHttp2Stream) => {
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.end(answer)
    })
    stream.on('error', () => {})
    stream.resume()
  })
  .listen(Number(process.env['PORT']), '127.0.0.1')
