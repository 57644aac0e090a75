import { Agent, createServer } from 'node:http'
import { createProxyServer } from 'http-proxy-3'

/** http-proxy-3 as its README shows it, with a keep-alive agent. */
const proxy = createProxyServer({
  target: process.env['UPSTREAM'] ?? '',
  agent: new Agent({ keepAlive: true, maxSockets: 128 }),
})

createServer((request, response) => {
  proxy.web(request, response, {}, () => {
    if (!response.headersSent) response.writeHead(502)
    response.end()
  })
}).listen(Number(process.env['PORT']), '127.0.0.1')
