// A login provider for trying things out, and for nothing else: it gives a token to whoever asks, without a password.
//
//   POST /token  user=anna&audience=shop-web&scope=orders:read   → { access_token, … }

import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'

const { LOGIN_ISSUER: issuer = 'https://login:8443', PORT: port = '8443' } = process.env
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const kid = randomUUID()
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' }] }
const metadata = {
  issuer,
  jwks_uri: `${issuer}/jwks`,
  token_endpoint: `${issuer}/token`,
  authorization_endpoint: `${issuer}/authorize`,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256'],
}
const documents = {
  '/.well-known/openid-configuration': metadata,
  '/.well-known/oauth-authorization-server': metadata,
  '/jwks': jwks,
}

const server = createServer(
  { key: readFileSync('/run/secrets/login_key'), cert: readFileSync('/run/secrets/login_certificate') },
  async (request, response) => {
    if (request.method === 'GET' && Object.hasOwn(documents, request.url)) {
      return send(response, 200, documents[request.url])
    }
    if (request.method !== 'POST' || request.url !== '/token') return send(response, 404, {})
    let body = ''
    for await (const chunk of request) body += chunk
    const form = new URLSearchParams(body)
    const user = form.get('user')
    if (user === null) return send(response, 400, { error: 'invalid_request', error_description: 'no user' })
    send(response, 200, issue(user, form.get('audience') ?? 'shop-web', form.get('scope') ?? ''))
  },
)

function issue(user, audience, scope) {
  const now = Math.floor(Date.now() / 1000)
  const header = { alg: 'ES256', typ: 'at+jwt', kid }
  const claims = { iss: issuer, sub: user, aud: audience, client_id: 'shop-web', scope, jti: randomUUID() }
  const text = [header, { ...claims, iat: now, exp: now + 600 }]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return {
    access_token: `${text}.${signature.toString('base64url')}`,
    token_type: 'Bearer',
    expires_in: 600,
    scope,
  }
}

function send(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}

server.listen(Number(port))
process.once('SIGTERM', () => server.close())
