import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startLoginProvider } from '../../../src/assemble/demo/login-provider.ts'
import { createHttpClient, type HttpClient } from '../../../src/base/http-client.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { KeySource } from '../../../src/config/sidecar-config.ts'
import type { KeySetOptions } from '../../../src/tokens/key-set.ts'
import { createJwtVerifier, type JwtVerifier } from '../../../src/tokens/verify-jwt.ts'
import { rulesFor } from '../../support/issuer-rules.ts'
import { createTestIssuer, type TestIssuer } from '../../support/tokens.ts'

let issuer: TestIssuer
let client: HttpClient
const closing: (() => unknown)[] = []

beforeAll(async () => {
  issuer = await createTestIssuer()
})

beforeEach(() => {
  client = createHttpClient()
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await client.close()
})

/** Starts a server on a free port; the answer is its origin. */
async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function verifierFor(
  keys: KeySource,
  keyOptions: Partial<KeySetOptions> = {},
  name = issuer.issuer,
): JwtVerifier {
  const rules = { ...rulesFor(issuer, { keys }), issuer: name, algorithms: ['ES256', 'RS256'] as const }
  const verifier = createJwtVerifier([rules], { client, log: silentLog, tokenBytes: 8192, keyOptions })
  closing.push(() => verifier.close())
  return verifier
}

async function codeOf(verifier: JwtVerifier, token: string): Promise<string> {
  const result = await verifier.verify(token, Date.now() / 1000)
  return result.ok ? 'accepted' : result.error.code
}

describe('keys by discovery from an independent OpenID provider', () => {
  it('verifies the access token of a login, and none after one character changed', async () => {
    const provider = await startLoginProvider()
    closing.push(() => provider.close())
    const token = (await provider.logIn({ user: 'alice', scope: 'shop:read' })).expose()
    const verifier = verifierFor({ kind: 'discovery' }, {}, provider.issuer)
    const result = await verifier.verify(token, Date.now() / 1000)
    if (!result.ok) throw new Error(result.error.detail)
    expect(result.value).toMatchObject({ issuer: provider.issuer, subject: 'alice', scope: ['shop:read'] })
    expect(await codeOf(verifier, `${token.slice(0, -8)}AAAAAAAA`)).toBe('token.invalid')
    expect(await codeOf(verifier, await issuer.sign({ iss: provider.issuer }))).toBe('token.invalid')
  })
})

describe('a key set endpoint', () => {
  it('may rotate its keys while tokens are verified', async () => {
    const next = await createTestIssuer({ kid: 'k2' })
    let published = issuer.jwks
    const origin = await serve((_, response) => response.end(JSON.stringify(published)))
    const verifier = verifierFor({ kind: 'jwks_uri', uri: new URL(`${origin}/certs`) }, { coolDownMs: 0 })
    const old = await issuer.sign()
    expect(await codeOf(verifier, old)).toBe('accepted')
    published = { keys: [...issuer.jwks.keys, ...next.jwks.keys] }
    expect(await codeOf(verifier, await next.sign())).toBe('accepted')
    expect(await codeOf(verifier, old)).toBe('accepted')
    published = next.jwks
    expect(await codeOf(verifier, await issuer.sign({}, { kid: 'k3' }))).toBe('token.invalid')
    expect(await codeOf(verifier, old)).toBe('token.invalid')
    expect(await codeOf(verifier, await next.sign())).toBe('accepted')
  })

  const valid = (): string => JSON.stringify(issuer.jwks)
  const misbehaviours: [string, RequestListener][] = [
    ['never answers', () => {}],
    ['resets the connection', request => request.socket.destroy()],
    [
      'sends one byte and then nothing',
      (_, response) => {
        response.write('{')
      },
    ],
    [
      'trickles a body that never ends',
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 10)
        response.on('close', () => clearInterval(timer))
      },
    ],
    ['answers more than half a megabyte', (_, response) => response.end(valid() + ' '.repeat(600_000))],
    [
      'answers a compressed body',
      (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(valid())),
    ],
    ['answers 500 with a key set', (_, response) => response.writeHead(500).end(valid())],
    ['answers a byte order mark first', (_, response) => response.end(`\ufeff${valid()}`)],
    ['answers a page', (_, response) => response.end('<!doctype html>')],
  ]
  it.each(misbehaviours)('that %s gives no keys: refused in time, never accepted', async (_, listener) => {
    const origin = await serve(listener)
    const verifier = verifierFor({ kind: 'jwks_uri', uri: new URL(`${origin}/certs`) }, { timeoutMs: 300 })
    expect(await codeOf(verifier, await issuer.sign())).toBe('token.keys_unavailable')
  })

  it('cannot send the fetch elsewhere by a redirect', async () => {
    let visits = 0
    const elsewhere = await serve((_, response) => {
      visits++
      response.end(valid())
    })
    for (const status of [301, 302, 303, 307, 308]) {
      const origin = await serve((_, response) =>
        response.writeHead(status, { location: elsewhere }).end(valid()),
      )
      const verifier = verifierFor({ kind: 'jwks_uri', uri: new URL(`${origin}/certs`) })
      expect(await codeOf(verifier, await issuer.sign())).toBe('token.keys_unavailable')
    }
    expect(visits).toBe(0)
  })

  it('keeps known tokens and keys working while it is away', async () => {
    let isAway = false
    const origin = await serve((request, response) => {
      if (isAway) request.socket.destroy()
      else response.end(valid())
    })
    const verifier = verifierFor({ kind: 'jwks_uri', uri: new URL(`${origin}/certs`) }, { coolDownMs: 0 })
    const known = await issuer.sign()
    expect(await codeOf(verifier, known)).toBe('accepted')
    isAway = true
    expect(await codeOf(verifier, await issuer.sign({}, { kid: 'unknown' }))).toBe('token.invalid')
    expect(await codeOf(verifier, known)).toBe('accepted')
    expect(await codeOf(verifier, await issuer.sign())).toBe('accepted')
  })
})
