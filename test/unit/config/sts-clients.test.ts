import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { StsClientAuthentication } from '../../../src/config/sidecar-config.ts'
import { canMakeCertificates, createAuthority, withCertificates } from '../../support/certificate.ts'
import {
  goodHub,
  goodSidecar,
  hubProblems,
  readHub,
  readSidecar,
  sidecarProblems,
} from '../../support/config-text.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

const env = { ORDERS_SECRET: 'old-secret', NEW_SECRET: 'new-secret' }
const hash = '$scrypt$ln=15,r=8,p=1$Qa2KBD//CpnRskVSrMvSpA$fv7o2DphcnHSWg12qrUgAfvkMO35vOIyY+6cMc0Ymq4'
const publicKey = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
}
const jwks = `{ inline: { keys: [${JSON.stringify(publicKey)}] } }`
const clusters = 'clusters:\n    - { issuer: https://k8s.test }\n'
const domains = 'trust_domains:\n    - { name: example.org, bundle: { file: bundle.json } }\n'

/** The good hub with other lines instead of the secret, and more keys under `sts`. */
function hub(method: string, sts = ''): string {
  return `${goodHub.replace(/secret: .*/, () => method)}${sts === '' ? '' : `  ${sts}`}`
}

function authenticationOf(text: string): StsClientAuthentication | undefined {
  return readHub(text, env).sts.clients[0]?.authentication
}

describe('a client by its secret', () => {
  const textsOf = (text: string) => {
    const authentication = authenticationOf(text)
    if (authentication?.kind !== 'secret') throw new Error('no secret')
    const { secrets, methods } = authentication
    return { secrets: secrets.map(({ kind, text: secret }) => [kind, secret.expose()]), methods }
  }
  const both = ['client_secret_basic', 'client_secret_post']

  it.each([
    ['one', `secret: \${ORDERS_SECRET}`, [['plain', 'old-secret']]],
    [
      'two',
      `secret: [ "\${ORDERS_SECRET}", "\${NEW_SECRET}" ]`,
      [
        ['plain', 'old-secret'],
        ['plain', 'new-secret'],
      ],
    ],
    ['one hash', `secret_hash: ${hash}`, [['scrypt', hash]]],
    [
      'two hashes',
      `secret_hash: [ "${hash}", "${hash}" ]`,
      [
        ['scrypt', hash],
        ['scrypt', hash],
      ],
    ],
    [
      'one beside a hash that replaces it',
      `secret: \${ORDERS_SECRET}\n      secret_hash: ${hash}`,
      [
        ['plain', 'old-secret'],
        ['scrypt', hash],
      ],
    ],
  ])('may have %s', (_, method, secrets) => {
    expect(textsOf(hub(method))).toEqual({ secrets, methods: both })
  })

  it('may have to send it in one way', () => {
    expect(
      textsOf(hub(`secret: \${ORDERS_SECRET}\n      authentication: client_secret_post`)).methods,
    ).toEqual(['client_secret_post'])
  })

  it('never has it in the text, in a list neither', () => {
    expect(hubProblems(hub(`secret: [ "\${ORDERS_SECRET}", hunter2-hunter2 ]`), env)).toEqual([
      `c.yaml:6:37: sts.clients[0].secret[1]: found a literal secret; expected \${NAME} or { file: PATH }`,
    ])
  })

  it.each([
    [`secret_hash: ${hash.slice(0, -1)}`, 'is not in canonical base64'],
    ['secret_hash: hunter2-hunter2', 'is no PHC string of scrypt'],
    [`secret_hash: ${hash.replace('ln=15', 'ln=10')}`, 'is too cheap: ln=14,r=8,p=1 is least'],
  ])('does not have the hash of %s', (method, wrong) => {
    const [problem, ...more] = hubProblems(hub(method), env)
    expect(problem).toContain(`sts.clients[0].secret_hash: found a value, which ${wrong}`)
    expect(problem).not.toMatch(/hunter2|Qa2KBD/)
    expect(more).toEqual([])
  })

  it.each([
    ['secret: []', 'sts.clients[0].secret'],
    [`secret: [ "\${ORDERS_SECRET}", "\${ORDERS_SECRET}", "\${ORDERS_SECRET}" ]`, 'sts.clients[0].secret'],
    [
      `secret: [ "\${ORDERS_SECRET}", "\${NEW_SECRET}" ]\n      secret_hash: ${hash}`,
      'found more than two secrets',
    ],
    [
      `jwks: ${jwks}\n      authentication: client_secret_post`,
      'found a key that means nothing without a secret',
    ],
    [`jwks: ${jwks}\n      secret_hash: ${hash}`, 'expected exactly one of secret, secret_hash, jwks'],
    [`secret_hash: ${hash}\n      spiffe_jwt: spiffe://example.org/a`, 'expected exactly one of'],
  ])('is not described by %j', (method, problem) => {
    expect(hubProblems(hub(method), env).join('\n')).toContain(problem)
  })
})

describe('a client by what its platform says', () => {
  it('is a service account of the only cluster, or of the one that is named', () => {
    const account = { kind: 'kubernetes', namespace: 'shop', serviceAccount: 'orders' }
    const one = hub('kubernetes: { namespace: shop, service_account: orders }', clusters)
    expect(authenticationOf(one)).toEqual({ ...account, cluster: 'https://k8s.test' })
    const two = `${clusters}    - { issuer: https://other.test, keys: { file: keys.json }, max_lifetime: 1h }\n`
    const named = hub(
      'kubernetes: { cluster: https://other.test, namespace: shop, service_account: orders }',
      two,
    )
    expect(authenticationOf(named)).toEqual({ ...account, cluster: 'https://other.test' })
    expect(readHub(named, env).sts.clusters.map(({ rules }) => rules)).toMatchObject([
      { issuer: 'https://k8s.test', keys: { kind: 'discovery' }, maxLifetimeSeconds: 86_400, types: ['jwt'] },
      { issuer: 'https://other.test', keys: { kind: 'file' }, maxLifetimeSeconds: 3_600 },
    ])
    expect(hubProblems(hub('kubernetes: { namespace: shop, service_account: orders }', two), env)).toEqual([
      'c.yaml:6:19: sts.clients[0].kubernetes: found nothing, beside 2 clusters; expected cluster',
    ])
  })

  it('is a SPIFFE ID of a trust domain', () => {
    const text = hub('spiffe_jwt: spiffe://example.org/orders', domains)
    expect(authenticationOf(text)).toEqual({ kind: 'spiffe_jwt', spiffeId: 'spiffe://example.org/orders' })
    expect(readHub(text, env).sts.trustDomains).toMatchObject([
      { name: 'example.org', bundle: { kind: 'file' }, authorities: undefined, ca: undefined },
    ])
    const remote = text.replace('file: bundle.json', 'url: https://spire.test/bundle')
    expect(readHub(remote, env).sts.trustDomains[0]?.bundle).toEqual({
      kind: 'jwks_uri',
      uri: new URL('https://spire.test/bundle'),
    })
  })

  it.each([
    ['kubernetes: { namespace: a, service_account: b }', '', 'found nothing, beside 0 clusters'],
    [
      'kubernetes: { namespace: a, cluster: https://x.test, service_account: b }',
      clusters,
      'found a cluster that sts.clusters does not have',
    ],
    ['kubernetes: { namespace: A, service_account: b }', clusters, 'expected a name as Kubernetes has them'],
    [
      'kubernetes: { namespace: "a:b", service_account: b }',
      clusters,
      'expected a name as Kubernetes has them',
    ],
    ['kubernetes: { namespace: a }', clusters, 'sts.clients[0].kubernetes.service_account: found nothing'],
    [
      'spiffe_jwt: spiffe://other.org/a',
      domains,
      'found a trust domain that sts.trust_domains does not have',
    ],
    ['spiffe_jwt: spiffe://example.org', domains, 'expected a SPIFFE ID'],
    ['spiffe_jwt: example.org/a', domains, 'expected a SPIFFE ID'],
    ['spiffe_x509: spiffe://example.org/a', domains, 'found one without authorities'],
    [
      'spiffe_jwt: spiffe://example.org/a',
      domains.replace('bundle: { file: bundle.json }', 'ca: x'),
      'neither bundle nor authorities',
    ],
    [
      'spiffe_jwt: spiffe://example.org/a',
      domains.replace('{ file: bundle.json }', '{ url: http://a.test/ }'),
      'sts.trust_domains[0].bundle.url',
    ],
    [
      'spiffe_jwt: spiffe://example.org/a',
      domains.replace('example.org', 'Example.org'),
      'expected a trust domain such as example.org',
    ],
    [
      'kubernetes: { namespace: a, service_account: b }',
      clusters.replace('https://k8s', 'http://k8s'),
      'which is http: to another machine',
    ],
    [
      'kubernetes: { namespace: a, service_account: b }',
      `${clusters}    - { issuer: https://k8s.test }\n`,
      'found the same as in entry 0',
    ],
  ])('%s is a problem beside %j', (method, sts, problem) => {
    expect(hubProblems(hub(method, sts), env).join('\n')).toContain(problem)
  })

  it('is not another client as well', () => {
    const second =
      '    - { id: other, kubernetes: { cluster: https://k8s.test, namespace: a, service_account: b }, audiences: {} }\n'
    const text = hub('kubernetes: { namespace: a, service_account: b }')
    expect(hubProblems(`${text}${second}  ${clusters}`, env)).toEqual([
      'c.yaml:8:32: sts.clients[1].kubernetes: found the same as in entry 0; expected each once',
    ])
    const others = second.replace('service_account: b', 'service_account: c')
    expect(hubProblems(`${text}${others}  ${clusters}`, env)).toEqual([])
  })

  it('reaches the token service inside a sidecar too', () => {
    const client = '{ id: batch, kubernetes: { namespace: a, service_account: b }, audiences: {} }'
    const text = `${goodSidecar}sts:\n  clients: [ ${client} ]\n  ${clusters}`
    expect(readSidecar(text).sts).toMatchObject({
      clients: [{ id: 'orders' }, { id: 'batch', authentication: { kind: 'kubernetes' } }],
      clusters: [{ rules: { issuer: 'https://k8s.test' } }],
    })
  })
})

describe.skipIf(!canMakeCertificates)(`a client by its certificate${withCertificates}`, () => {
  const authority = createAuthority()
  const { cert, key } = authority.issue({ names: ['DNS:hub.test'] })

  function folderFile(): string {
    const folder = createTempFolder()
    for (const [name, text] of Object.entries({
      'cert.pem': cert,
      'key.pem': key,
      'ca.pem': authority.cert,
    })) {
      writeFileSync(join(folder, name), text)
    }
    writeFileSync(join(folder, 'client.json'), JSON.stringify({ keys: [publicKey] }))
    return join(folder, 'hub.yaml')
  }
  const listen = (tls: string) => `listen:\n  address: 0.0.0.0:8443\n  tls: ${tls}\n`
  const own = '{ cert: cert.pem, key: key.pem }'
  const withAuthorities = '{ cert: cert.pem, key: key.pem, client_ca: ca.pem, min_version: TLSv1.3 }'
  const problemsOf = (text: string, file = folderFile()) =>
    hubProblems(text, env, file).map(line => line.replace(`${file}:`, ''))

  it('needs TLS on the port of the hub', () => {
    const file = folderFile()
    const config = readHub(`${goodHub}${listen(withAuthorities)}`, env, file)
    expect(config.listen).toEqual({
      host: '0.0.0.0',
      port: 8443,
      tls: {
        cert: join(file, '../cert.pem'),
        key: join(file, '../key.pem'),
        clientCa: join(file, '../ca.pem'),
        minVersion: 'TLSv1.3',
      },
    })
    expect(readHub(goodHub, env).listen).toEqual({ host: '0.0.0.0', port: 8080, tls: undefined })
    expect(
      problemsOf(`${goodHub}${listen('{ cert: cert.pem, key: no.pem, client_ca: cert.json }')}`),
    ).toEqual([
      '10:31: listen.tls.key: found a file that does not exist; expected the PEM private key of the certificate',
      '10:50: listen.tls.client_ca: found a file that does not exist; expected PEM certificates of authorities',
    ])
  })

  it.each([
    ['subject_dn: "CN=orders,O=Example"', { kind: 'dn', name: 'CN=orders,O=Example' }],
    ['san_dns: orders.example.org', { kind: 'dns', name: 'orders.example.org' }],
    ['san_uri: "urn:example:orders"', { kind: 'uri', name: 'urn:example:orders' }],
    ['san_ip: "2001:db8::1"', { kind: 'ip', name: '2001:db8::1' }],
    ['san_email: orders@example.org', { kind: 'email', name: 'orders@example.org' }],
  ])('has one subject: %s', (subject, expected) => {
    const text = `${hub(`tls_client_auth: { ${subject} }`)}${listen(withAuthorities)}`
    expect(readHub(text, env, folderFile()).sts.clients[0]?.authentication).toEqual({
      kind: 'tls_client_auth',
      subject: expected,
    })
  })

  it('may have certificates of its own', () => {
    const thumbprint = 'A'.repeat(43)
    const method = `self_signed_tls_client_auth: { jwks: { file: client.json }, thumbprints: [ ${thumbprint} ] }`
    const text = `${hub(method)}${listen(own)}`
    expect(readHub(text, env, folderFile()).sts.clients[0]?.authentication).toEqual({
      kind: 'self_signed_tls_client_auth',
      jwks: { keys: [publicKey] },
      thumbprints: [thumbprint],
    })
  })

  it.each([
    ['tls_client_auth: {}', withAuthorities, 'found none of subject_dn, san_dns, san_uri, san_ip, san_email'],
    ['tls_client_auth: { san_dns: a.test, san_ip: 10.0.0.1 }', withAuthorities, 'found this beside san_dns'],
    ['tls_client_auth: { subject_dn: orders }', withAuthorities, 'is not written as in RFC 4514'],
    ['tls_client_auth: { san_dns: "*.a.test" }', withAuthorities, 'expected a lower-case host'],
    ['tls_client_auth: { san_ip: 10.0.0 }', withAuthorities, 'expected an IP address'],
    ['tls_client_auth: { san_dns: a.test }', own, 'found this without listen.tls with client_ca'],
    ['spiffe_x509: spiffe://example.org/a', own, 'found this without listen.tls with client_ca'],
    ['self_signed_tls_client_auth: {}', own, 'found neither jwks nor thumbprints'],
    ['self_signed_tls_client_auth: { thumbprints: [ abc ] }', own, 'expected an x5t#S256 thumbprint'],
    ['self_signed_tls_client_auth: { jwks: { file: cert.pem } }', own, 'found a file that does not hold one'],
  ])('is not described by %s', (method, tls, problem) => {
    expect(problemsOf(`${hub(method)}${listen(tls)}`).join('\n')).toContain(problem)
  })

  it('does not get in without TLS, nor into the token service inside a sidecar', () => {
    const method = `self_signed_tls_client_auth: { jwks: ${jwks} }`
    expect(hubProblems(hub(method), env)).toEqual([
      'c.yaml:6:7: sts.clients[0].self_signed_tls_client_auth: found this without listen.tls; expected listen.tls',
    ])
    const client = `{ id: batch, ${method}, audiences: {} }`
    expect(sidecarProblems(`${goodSidecar}sts:\n  clients: [ ${client} ]\n`)).toEqual([
      'c.yaml:9:27: sts.clients[0].self_signed_tls_client_auth: found a method by certificate, which does not reach the token service inside a sidecar; expected another method, or a hub',
    ])
  })

  it('may be the certificate of a trust domain, whose authorities are looked at', () => {
    const authorities = 'trust_domains:\n    - { name: example.org, authorities: ca.pem }\n'
    const text = `${hub('spiffe_x509: spiffe://example.org/orders', authorities)}${listen(withAuthorities)}`
    expect(problemsOf(text)).toEqual([])
    expect(problemsOf(text.replace('authorities: ca.pem', 'authorities: key.pem'))).toEqual([
      '9:41: sts.trust_domains[0].authorities: found a file that holds no PEM certificate; expected PEM certificates of authorities',
    ])
  })

  describe('that a sidecar shows to its authorization server', () => {
    const exchange = (client: string, tls: string, server = 'https://hub.test') =>
      `${goodSidecar}exchange: { server: "${server}", client: ${client}${tls} }\n`

    it('is that of exchange.tls', () => {
      const file = folderFile()
      const tls = ', tls: { ca: ca.pem, cert: cert.pem, key: key.pem }'
      const config = readSidecar(exchange('{ authentication: tls_client_auth }', tls), env, file)
      expect(config.exchange).toMatchObject({
        client: { id: 'orders', authentication: 'tls_client_auth' },
        tls: { ca: join(file, '../ca.pem'), cert: join(file, '../cert.pem'), key: join(file, '../key.pem') },
      })
    })

    it.each([
      [
        '{ authentication: tls_client_auth }',
        ', tls: { ca: ca.pem }',
        'found tls_client_auth without a certificate',
      ],
      ['{ authentication: spiffe_x509 }', '', 'found spiffe_x509 without a certificate'],
      [`{ secret: "\${ORDERS_SECRET}" }`, ', tls: { cert: cert.pem }', 'found this without key'],
      [
        `{ secret: "\${ORDERS_SECRET}" }`,
        ', tls: { ca: none.pem }',
        'exchange.tls.ca: found a file that does not exist',
      ],
      [
        '{ authentication: tls_client_auth, key: k }',
        ', tls: { cert: cert.pem, key: key.pem }',
        'a key that does not go with tls_client_auth',
      ],
      ['{ authentication: kubernetes }', '', 'found a client without token'],
      [
        `{ authentication: spiffe_jwt, token: t, secret: "\${ORDERS_SECRET}" }`,
        '',
        'a key that does not go with spiffe_jwt',
      ],
      ['{ key: k, token: t }', '', 'a key that does not go with private_key_jwt'],
    ])('%s%s: %s', (client, tls, problem) => {
      const problems = sidecarProblems(exchange(client, tls), env, folderFile())
      expect(problems.join('\n')).toContain(problem)
      expect(problems).toHaveLength(1)
    })

    it('may be what an issuer is asked with that is the same server, and no other', () => {
      const asked = (issuer: string) =>
        exchange('{ authentication: tls_client_auth }', ', tls: { cert: cert.pem, key: key.pem }')
          .replace(
            '    audience: [orders]\n',
            '    audience: [orders]\n    introspection: { client: { authentication: tls_client_auth } }\n',
          )
          .replace('https://login.test', issuer)
      expect(sidecarProblems(asked('https://hub.test/sts'), env, folderFile())).toEqual([])
      const [problem, ...more] = sidecarProblems(asked('https://login.test'), env, folderFile())
      expect(problem).toContain('introspection.client.authentication: found a method by certificate')
      expect(more).toEqual([])
    })

    it('means nothing to a server without TLS', () => {
      const text = exchange(`{ secret: "\${ORDERS_SECRET}" }`, ', tls: { ca: ca.pem }', 'http://127.0.0.1:1')
      expect(sidecarProblems(text, env, folderFile()).join()).toContain(
        'means nothing without a server on https:',
      )
    })

    it('may be a token of the platform instead', () => {
      const file = folderFile()
      const client = '{ id: spiffe://example.org/orders, authentication: spiffe_jwt, token: svid.jwt }'
      expect(readSidecar(exchange(client, ''), env, file).exchange.client).toEqual({
        id: 'spiffe://example.org/orders',
        authentication: 'spiffe_jwt',
        token: join(file, '../svid.jwt'),
      })
    })
  })
})
