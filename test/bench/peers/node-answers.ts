import { createServer } from 'node:http'

/** `node:http` that answers by itself: what receiving and answering costs without forwarding. */
const body = 'x'.repeat(100)

createServer((_request, response) => {
  response.writeHead(200, ['Content-Type', 'text/plain', 'Content-Length', String(body.length)])
  response.end(body)
}).listen(Number(process.env['PORT']), '127.0.0.1')
