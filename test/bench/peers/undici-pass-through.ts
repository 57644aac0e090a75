import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type Dispatcher, Pool } from 'undici'

/**
 * The floor: `node:http` in, undici out, and nothing between that a proxy could do without. Header sections stay the
 * flat lists that they arrive as, hop-by-hop fields are left out (RFC 9110 §7.6.1), an answer that is whole in its
 * first piece leaves in one write, and everything else is streamed with backpressure.
 */
const pool = new Pool(process.env['UPSTREAM'] ?? '', { connections: 64, pipelining: 1 })

const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer'])

/** Up to this size, text is cheaper to write with its head than bytes are. */
const textBytes = 2_048

class Relay implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  #length = -1
  #isEnded = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  onRequestStart(): void {}

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const raw = controller.rawHeaders as readonly Buffer[]
    const fields: string[] = []
    for (let index = 0; index < raw.length; index += 2) {
      const name = (raw[index] as Buffer).toString('latin1')
      const lowerCase = name.toLowerCase()
      if (hopByHop.has(lowerCase)) continue
      const value = (raw[index + 1] as Buffer).toString('latin1')
      if (lowerCase === 'content-length') this.#length = Number(value)
      fields.push(name, value)
    }
    this.#response.writeHead(status, fields)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (chunk.length === this.#length) {
      this.#isEnded = true
      if (chunk.length > textBytes) this.#response.end(chunk)
      else this.#response.end(chunk.toString('latin1'), 'latin1')
      return
    }
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    if (!this.#isEnded) this.#response.end()
  }

  onResponseError(): void {
    if (this.#response.headersSent) this.#response.destroy()
    else this.#response.writeHead(502).end()
  }
}

function forward(request: IncomingMessage, response: ServerResponse): void {
  const { rawHeaders } = request
  const headers: string[] = []
  let hasBody = false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    const lowerCase = name.toLowerCase()
    if (lowerCase === 'content-length' || lowerCase === 'transfer-encoding') hasBody = true
    if (!hopByHop.has(lowerCase)) headers.push(name, rawHeaders[index + 1] as string)
  }
  pool.dispatch(
    { path: request.url ?? '/', method: request.method as 'GET', headers, body: hasBody ? request : null },
    new Relay(response),
  )
}

const { PORT, TLS_CERT, TLS_KEY } = process.env
const server =
  TLS_CERT === undefined || TLS_KEY === undefined
    ? createServer(forward)
    : createSecureServer({ cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) }, forward)
server.listen(Number(PORT), '127.0.0.1')
