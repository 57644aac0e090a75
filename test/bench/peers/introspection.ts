import { createServer } from 'node:http'

/** An introspection endpoint (RFC 7662) that calls every JWT active and repeats its claims, for a client of any name. */
createServer((request, response) => {
  let form = ''
  request.setEncoding('utf8').on('data', (chunk: string) => {
    form += chunk
  })
  request.on('end', () => {
    const payload = new URLSearchParams(form).get('token')?.split('.')[1] ?? ''
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ active: true, token_type: 'Bearer', ...claims }))
  })
}).listen(Number(process.env['PORT']), '127.0.0.1')
