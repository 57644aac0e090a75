import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { startHub } from '../../src/assemble/hub.ts'
import { startSidecar } from '../../src/assemble/sidecar.ts'
import { silentLog } from '../../src/base/log.ts'
import { formatScryptHash, hashSecret } from '../../src/base/scrypt-hash.ts'
import {
  canMakeCertificates,
  createAuthority,
  createCertificate,
  type TestCertificate,
  withCertificates,
} from '../support/certificate.ts'
import { projectedClaims, svidClaims } from '../support/client-identities.ts'
import { readHub, readSidecar } from '../support/config-text.ts'
import { createMemoryWriter } from '../support/memory-writer.ts'
import { projectRoot } from '../support/source-files.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { decodeClaims } from '../support/token-service.ts'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/** docs/client-authentication.md is taken at its word: each row of its table is a hub and a sidecar that run. */

const document = readFileSync(join(projectRoot, 'docs/client-authentication.md'), 'utf8')
const [hubText = '', sidecarText = ''] = [...document.matchAll(/^```yaml\n(.*?)^```$/gms)].map(
  ([, text]) => text ?? '',
)
const rows = [...document.matchAll(/^\| (.+?) \| `(.+?)` \| `(.+?)` \|$/gm)].map(
  ([, method = '', hub = '', sidecar = '']) => [method.replaceAll('`', ''), hub, sidecar] as const,
)

describe.skipIf(!canMakeCertificates)(`docs/client-authentication.md${withCertificates}`, () => {
  let upstream: Upstream
  let login: TestIssuer
  beforeAll(async () => {
    ;[upstream, login] = await Promise.all([
      startUpstream(),
      createTestIssuer({ issuer: 'https://login.example.org' }),
    ])
  })
  afterAll(() => upstream.close())

  it('describes eight methods', () => {
    expect(rows.map(([method]) => method)).toEqual([
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
      'service account token',
      'spiffe_jwt',
      'spiffe_x509',
    ])
  })

  it.each(rows)(
    '%s: a request goes through a sidecar that authenticates at a hub',
    async (method, hub, sidecar) => {
      const port = await findFreePort()
      const issuer = `https://127.0.0.1:${port}`
      const { folder, env, client } = await prepare(issuer, login, method)
      const config = hubText
        .replace('0.0.0.0:8443', `127.0.0.1:${port}`)
        .replace('https://hub.example.org', issuer)
        .replace('audience: [shop-web] }', 'audience: [shop-web], keys: { file: login.jwks.json } }')
        .replace(/secret_hash: .*/, () => hub)
      const started = await startHub(
        { ...readHub(`admin: 127.0.0.1:0\n${config}`, env, join(folder, 'hub.yaml')), ...quiet(folder) },
        { log: silentLog },
      )
      onTestFinished(() => started.close())
      const exchange = sidecarText
        .replace('https://hub.example.org', issuer)
        .replace(
          /client: .*/,
          () => `client: ${sidecar.replace(/\/(?:var\/run\/secrets\/hopgate|run\/spire)\//, '')}`,
        )
        .replace(client ? '' : ', cert: orders.pem, key: orders.key', '')
      const text = `service: orders
listen: 127.0.0.1:0
admin: 127.0.0.1:0
upstream: ${upstream.url}
issuers: [ { issuer: "https://login.example.org", audience: [shop-web], keys: { file: login.jwks.json } } ]
routes: [ { path: /orders/**, audience: orders-api, scope: "orders:read" } ]
${exchange}`
      const running = await startSidecar(readSidecar(text, env, join(folder, 'sidecar.yaml')), {
        log: silentLog,
        auditWriter: createMemoryWriter(),
      })
      onTestFinished(() => running.close())
      const token = await login.sign({ scope: 'orders:read' })
      const answer = await fetch(`${running.url}/orders/1`, { headers: { authorization: `Bearer ${token}` } })
      expect(answer.status).toBe(200)
      const [, exchanged = ''] =
        /^Bearer (.+)$/.exec(upstream.requests.at(-1)?.header('authorization') ?? '') ?? []
      expect(decodeClaims(exchanged)).toMatchObject({
        iss: issuer,
        client_id: 'orders',
        act: { sub: 'orders' },
      })
    },
  )
})

function quiet(folder: string) {
  return { audit: { file: join(folder, 'audit.jsonl'), queue: 100, whenFull: 'refuse' } } as const
}

/** Writes every file that the document names. */
async function prepare(issuer: string, login: TestIssuer, method: string) {
  const folder = createTempFolder()
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
  const [server, clients, spire] = ['server', 'clients', 'spire'].map(createAuthority)
  if (server === undefined || clients === undefined || spire === undefined) throw new Error('no authorities')
  const [cluster, domain, key] = await Promise.all([
    createTestIssuer({ issuer: 'https://kubernetes.default.svc.cluster.local', algorithm: 'RS256' }),
    createTestIssuer(),
    createTestIssuer({ kid: 'orders-1' }),
  ])
  const own: Readonly<Record<string, () => TestCertificate>> = {
    tls_client_auth: () => clients.issue({ names: ['DNS:orders.shop.example'] }),
    self_signed_tls_client_auth: () => createCertificate('DNS:orders.test'),
    spiffe_x509: () => spire.issue({ names: ['URI:spiffe://example.org/orders'] }),
  }
  const client = own[method]?.()
  const hub = server.issue({ names: ['IP:127.0.0.1'] })
  const secret = 'orders-secret-0123456789'
  write('hub.pem', hub.cert)
  write('hub.key', hub.key)
  write('hub-ca.pem', server.cert)
  write('clients-ca.pem', clients.cert + spire.cert)
  write('spire-ca.pem', spire.cert)
  write('login.jwks.json', JSON.stringify(login.jwks))
  write('cluster.jwks.json', JSON.stringify(cluster.jwks))
  write('bundle.json', JSON.stringify({ keys: [{ ...domain.jwk, use: 'jwt-svid' }] }))
  write('orders.secret', `${secret}\n`)
  write('orders.jwks.json', JSON.stringify(key.jwks))
  write(
    'orders.jwk.json',
    JSON.stringify({ ...key.privateKey.export({ format: 'jwk' }), alg: 'ES256', kid: 'orders-1' }),
  )
  write('token', await cluster.sign(projectedClaims(issuer), { typ: undefined }))
  write('hub.jwt', await domain.sign(svidClaims(issuer, 'spiffe://example.org/orders'), { typ: 'JWT' }))
  if (client !== undefined) {
    write('orders.pem', client.cert)
    write('orders.key', client.key)
    const jwk = new X509Certificate(client.cert).publicKey.export({ format: 'jwk' })
    write('certificate.jwks.json', JSON.stringify({ keys: [jwk] }))
  }
  const env = { ORDERS_SECRET_HASH: formatScryptHash(await hashSecret(secret)) }
  return { folder, env, client }
}
