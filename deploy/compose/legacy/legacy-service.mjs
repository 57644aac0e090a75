// Stands for a service of yours that knows nothing about Hopgate. It trusts whoever can reach it, reads the claims of
// the token it is handed, and sends that same token on when it calls the next service, as such services do.
//
//   SERVICE=orders NEXT=http://billing-gate:8080/billing node legacy-service.mjs

import { createServer } from 'node:http'

const { SERVICE: service = 'service', NEXT: next, PORT: port = '3000' } = process.env

const server = createServer(async (request, response) => {
  if (request.url === '/healthz') return void response.end('ok\n')
  const authorization = request.headers.authorization
  const answer = { service, path: request.url, claims: readClaims(authorization) }
  if (next !== undefined) answer.next = await callNext(authorization)
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(answer)}\n`)
})

async function callNext(authorization) {
  try {
    const answer = await fetch(next, {
      headers: authorization === undefined ? {} : { authorization },
      signal: AbortSignal.timeout(10_000),
    })
    const body = await answer.text()
    return answer.ok ? JSON.parse(body) : { status: answer.status }
  } catch {
    return { status: 'unreachable' }
  }
}

/** The claims only: an answer that held the whole token would hand it on. */
function readClaims(authorization) {
  try {
    return JSON.parse(Buffer.from(authorization.split('.')[1], 'base64url').toString())
  } catch {
    return null
  }
}

server.listen(Number(port))
process.once('SIGTERM', () => server.close())
