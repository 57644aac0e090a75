import { createServer, type ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

/** The floor: `node:http` in, undici out, and nothing between that a correct proxy could do without. */
const pool = new Pool(process.env['UPSTREAM'] ?? '', { connections: 128, pipelining: 1 })

const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer'])

class Relay implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  onRequestStart(): void {}

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    const fields: string[] = []
    for (const name in headers) {
      const value = headers[name]
      if (typeof value === 'string' && !hopByHop.has(name)) fields.push(name, value)
      else if (Array.isArray(value)) for (const one of value) fields.push(name, one)
    }
    this.#response.writeHead(status, fields)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    this.#response.end()
  }

  onResponseError(): void {
    if (!this.#response.headersSent) this.#response.writeHead(502)
    this.#response.end()
  }
}

createServer((request, response) => {
  const headers: string[] = []
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] as string
    if (!hopByHop.has(name.toLowerCase())) headers.push(name, request.rawHeaders[index + 1] as string)
  }
  const hasBody =
    request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
  pool.dispatch(
    { path: request.url ?? '/', method: request.method as 'GET', headers, body: hasBody ? request : null },
    new Relay(response),
  )
}).listen(Number(process.env['PORT']), '127.0.0.1')
