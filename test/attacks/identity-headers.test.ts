import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { notPermitted, readClaims } from '../support/attacked-hop.ts'
import { sidecarProblems } from '../support/config-text.ts'
import { openRaw } from '../support/raw-client.ts'
import {
  bytesOf,
  methodNotAllowed,
  type RawHop,
  rawRoutes,
  routeNotFound,
  startRawHop,
  tokenMissing,
} from '../support/raw-hop.ts'
import { hopYaml, type RecordedEvent, readConfig } from '../support/start-hop.ts'
import type { RecordedRequest } from '../support/upstream.ts'
import { handshakeAnswer, handshakeFields } from '../support/websocket-bytes.ts'

/**
 * A service behind a gateway believes what the gateway's fields say: who is calling, from where, over which host, with
 * which method. Who can set such a field, in any spelling that the service takes for it, is whoever they like.
 */

let hop: RawHop
beforeAll(async () => {
  hop = await startRawHop({
    routes: `${rawRoutes}
  - { path: /only-post, methods: [POST], audience: orders-api, scope: orders:read }
  - { path: /inner, host: inner.test, public: true }
  - { path: /near, audience: orders-api, allow: 'request.headers["x-forwarded-for"].startsWith("10.")' }
  - { path: /plan, audience: orders-api, allow: '!request.headers["x-plan"].contains("free")' }
  - { path: /live, public: true, websocket: true }`,
  })
})
afterAll(() => hop.close())

const bearer = (): string => `Authorization: Bearer ${hop.token}`
const get = (path: string, ...fields: readonly string[]): string => bytesOf(`GET ${path}`, ...fields)
const textOf = (request: RecordedRequest): string => request.raw.toString('latin1')

/** With the token to a protected route, and without one to a public route. */
async function admitBoth(...fields: readonly string[]): Promise<readonly RecordedRequest[]> {
  const [first, second] = [
    await hop.expectAdmitted(get('/orders/1', bearer(), ...fields)),
    await hop.expectAdmitted(get('/public/1', ...fields)),
  ]
  return [first.request, second.request]
}

const identityFields = [
  ...['X-User', 'X-User-Id', 'X-Username', 'X-Email', 'X-Groups', 'X-Role', 'X-Roles', 'X-Principal'],
  ...[
    'X-Auth-User',
    'X-Auth-Request-Email',
    'X-Auth-Token',
    'X-Authenticated-User',
    'X-Authenticated-Userid',
  ],
  ...['X-Forwarded-User', 'X-Forwarded-Email', 'X-Forwarded-Groups', 'X-Forwarded-Preferred-Username'],
  ...[
    'X-Forwarded-Access-Token',
    'X-Forwarded-Client-Cert',
    'X-Access-Token',
    'X-Id-Token',
    'X-Authorization',
  ],
  ...['Client-Cert', 'Client-Cert-Chain', 'X-Client-Cert', 'X-ARR-ClientCert', 'SSL-Client-Cert'],
  ...[
    'X-SSL-Client-Verify',
    'X-SSL-Client-S-DN',
    'X-SSL-Cert',
    'X-Amzn-Mtls-Clientcert',
    'X-Amzn-Oidc-Identity',
  ],
  ...['X-Goog-Authenticated-User-Email', 'X-Goog-IAP-JWT-Assertion', 'Cf-Access-Jwt-Assertion'],
  ...[
    'X-MS-CLIENT-PRINCIPAL',
    'X-MS-CLIENT-PRINCIPAL-NAME',
    'X-MS-TOKEN-AAD-ACCESS-TOKEN',
    'X-JWT-Assertion',
  ],
  ...['X-Consumer-Username', 'X-Credential-Identifier', 'X-Pomerium-Jwt-Assertion', 'X-WebAuth-User'],
  ...['Remote-User', 'Remote-Groups', 'X-Remote-User', 'Txn-Token', 'Workload-Identity-Token'],
  ...['Workload-Proof-Token', 'DPoP', 'X-Real-IP', 'X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP'],
  ...['X-Envoy-External-Address', 'X-Cluster-Client-IP', 'X-Amzn-Request-Context', 'X-Endpoint-API-UserInfo'],
]

describe('C09: identity fields of the caller', () => {
  it.each(identityFields)('C09 drops %s', async name => {
    for (const request of await admitBoth(`${name}: forged`, `${name.toLowerCase()}: forged`)) {
      expect(textOf(request)).not.toContain('forged')
    }
  })

  it('C09 sets its own forwarding fields in place of the ones that came', async () => {
    const forged = [
      'X-Forwarded-For: 192.0.2.66',
      'X-Forwarded-Host: forged.test',
      'X-Forwarded-Proto: https',
      'Forwarded: for=192.0.2.66;host=forged.test;proto=https',
    ]
    for (const request of await admitBoth(...forged)) {
      expect(request.headerAll('x-forwarded-for')).toEqual(['127.0.0.1'])
      expect(request.headerAll('x-forwarded-host')).toEqual(['orders.test'])
      expect(request.headerAll('x-forwarded-proto')).toEqual(['http'])
      expect(request.headerAll('forwarded')).toEqual(['for=127.0.0.1;host=orders.test;proto=http'])
    }
  })

  it('C09 appends to Via, which tells nobody who is calling', async () => {
    for (const request of await admitBoth('Via: 1.1 forged')) {
      expect(request.headerAll('via')).toEqual(['1.1 forged, 1.1 hopgate-orders'])
    }
  })

  it('C09 drops them from trailers, where an upstream may merge them into headers', async () => {
    const trailers = ['X-User', 'X-Forwarded-User', 'Authorization', 'Client-Cert', 'Txn_Token', 'Via']
    const late = [...trailers.map(name => `${name}: forged\r\n`), 'X-Checksum: 1\r\n'].join('')
    const names = [...trailers, 'X-Checksum'].join(', ')
    const head = bytesOf('POST /orders/1', bearer(), `Trailer: ${names}`, 'Transfer-Encoding: chunked')
    const { request } = await hop.expectAdmitted(`${head}2\r\nok\r\n0\r\n${late}\r\n`)
    expect(request.body.toString()).toBe('ok')
    expect(textOf(request)).not.toMatch(/forged|x-user|trailer:/i)
    expect(textOf(request)).toMatch(/\r\n0\r\nx-checksum: 1\r\n\r\n$/i)
  })

  it('C09 keeps what says nothing about who is calling', async () => {
    const names = [
      'Accept',
      'Cookie',
      'User-Agent',
      'X-Tenant',
      'X-Api-Version',
      'X-Requested-With',
      'Origin',
    ]
    for (const request of await admitBoth(...names.map(name => `${name}: kept`))) {
      expect(names.filter(name => request.header(name) !== 'kept')).toEqual([])
    }
  })

  it('C09 continues the forwarding fields of a trusted proxy, and still drops identity', async () => {
    const trusting = await startRawHop({ more: 'forwarded: { trusted_proxies: [127.0.0.0/8] }' })
    const { request } = await trusting.expectAdmitted(
      get(
        '/public/1',
        ...['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: shop.test'],
        ...['Forwarded: for=192.0.2.1;proto=https', 'X-Forwarded-User: forged', 'Client-Cert: :forged:'],
      ),
    )
    expect(request.header('x-forwarded-for')).toBe('192.0.2.1, 127.0.0.1')
    expect([request.header('x-forwarded-proto'), request.header('x-forwarded-host')]).toEqual([
      'https',
      'shop.test',
    ])
    expect(request.header('forwarded')).toBe(
      'for=192.0.2.1;proto=https, for=127.0.0.1;host=orders.test;proto=http',
    )
    expect(textOf(request)).not.toContain('forged')
    await trusting.close()
  })
})

describe('C13: an address that the caller chose', () => {
  it.each<[string, string]>([
    ['loopback', '127.0.0.1'],
    ['an inner address', '10.0.0.1'],
    ['a thousand entries', Array.from({ length: 1_000 }, () => '10.0.0.1').join(',')],
    ['unknown', 'unknown'],
    ['an obfuscated node', '_hidden'],
    ['an IPv6 address with a zone', 'fe80::1%eth0'],
    ['an IPv6 address with a port', '"[2001:db8::1]:4711"'],
    ['a port', '10.0.0.1:80'],
    ['nothing', ''],
    ['commas', ',,,'],
    ['a second element for Forwarded', '10.0.0.1;proto=https'],
  ])('C13 goes by the socket alone, whatever X-Forwarded-For says: %s', async (_, value) => {
    const node = value.slice(0, 100)
    const fields = [`X-Forwarded-For: ${value}`, `X-Real-IP: ${node}`, `Forwarded: for=${node}`]
    for (const request of await admitBoth(...fields)) {
      expect(request.headerAll('x-forwarded-for')).toEqual(['127.0.0.1'])
      expect(request.headerAll('x-real-ip')).toEqual([])
    }
    const { event } = await hop.expectRefused(get('/near', bearer(), ...fields), notPermitted)
    expect(event['peer']).toBe('127.0.0.1')
  })

  it('C13 lets the policy see what a trusted proxy says, and records the socket', async () => {
    const trusting = await startRawHop({
      routes: `${rawRoutes}
  - { path: /near, audience: orders-api, allow: 'request.headers["x-forwarded-for"].startsWith("10.")' }`,
      more: 'forwarded: { trusted_proxies: [127.0.0.1] }',
    })
    const credentials = `Authorization: Bearer ${trusting.token}`
    const { event } = await trusting.expectAdmitted(get('/near', credentials, 'X-Forwarded-For: 10.0.0.1'))
    expect(event['peer']).toBe('127.0.0.1')
    await trusting.expectRefused(get('/near', credentials, 'X-Forwarded-For: 192.0.2.1'), notPermitted)
    await trusting.close()
  })
})

const rewriting = [
  ...['X-Forwarded-Uri: /public/1', 'X-Original-URL: /public/1', 'X-Rewrite-URL: /public/1'],
  ...['X-Forwarded-Prefix: /public', 'X-Forwarded-Path: /public/1', 'X-Original-URI: /public/1'],
  ...['X-Forwarded-Method: GET', 'X-Original-Method: GET', 'Forwarded: host=public.example'],
  ...['X-Forwarded-Host: public.example', 'X-Forwarded-Server: public.example', 'X-Forwarded-Proto: https'],
  ...[
    'X-Forwarded-Port: 443',
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Ssl: on',
    'X-Envoy-Original-Path: /public/1',
  ],
]

describe('C14 and A05: another path, method or host in a field', () => {
  it.each(rewriting)(
    'A05 asks for the token of the path in the request line, whatever %s says',
    async field => {
      await hop.expectRefused(get('/orders/1', field), tokenMissing)
      await hop.expectRefused(get('/orders/1', ...rewriting), tokenMissing)
    },
  )

  it.each(rewriting.map(field => field.replaceAll('/public/1', '/admin/1')))(
    'C14 forwards the path in the request line, and not %s',
    async field => {
      const name = field.split(':')[0] ?? ''
      for (const request of await admitBoth(field)) {
        expect(request.target).toMatch(/^\/(orders|public)\/1$/)
        expect(textOf(request)).not.toMatch(/\/admin|public\.example|https|: 443\r/)
        if (!/^(X-Forwarded-(For|Host|Proto)|Forwarded)$/.test(name))
          expect(request.headerAll(name)).toEqual([])
      }
    },
  )

  it('C14 issues the token for the audience of the route, whatever host a field names', async () => {
    const { request } = await hop.expectAdmitted(
      get('/orders/1', bearer(), 'X-Forwarded-Host: admin-api', 'Forwarded: host=admin-api'),
    )
    expect(readClaims(request.header('authorization') ?? '')).toMatchObject({ aud: 'orders-api' })
  })

  it.each(['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X_HTTP_Method_Override'])(
    'C14 goes by the method in the request line, whatever %s says, and does not forward it',
    async name => {
      await hop.expectRefused(get('/only-post', bearer(), `${name}: POST`), methodNotAllowed)
      for (const request of await admitBoth(`${name}: DELETE`)) {
        expect(request.method).toBe('GET')
        expect(textOf(request)).not.toContain('DELETE')
      }
    },
  )

  it('A05 trusts no proxy unless the configuration names it', () => {
    expect(readConfig(hopYaml(hop.issuer, 'http://127.0.0.1:1')).forwarded.trustedProxies).toEqual([])
  })
})

describe('A01: the names of fields that the sidecar sets, spelled with other separators', () => {
  const mixesOf = (name: string): string[] => {
    const [first = '', ...rest] = name.split('-')
    return rest.reduce<string[]>(
      (mixes, part) => mixes.flatMap(mix => ['-', '_', '.'].map(separator => `${mix}${separator}${part}`)),
      [first],
    )
  }
  const names = [
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Request-Id',
    'X-Forwarded-User',
  ]

  it.each(names)('A01 lets no mix of %s through', async name => {
    const mixes = mixesOf(name).flatMap(mix => [mix, mix.toUpperCase(), mix.toLowerCase()])
    expect(mixes.length).toBeGreaterThanOrEqual(27)
    for (const request of await admitBoth(...mixes.map(mix => `${mix}: forged`))) {
      expect(textOf(request)).not.toContain('forged')
      const own = name === 'X-Forwarded-User' ? 0 : 1
      const spelled = request.headers.filter(
        ([field]) => field.toLowerCase().replace(/[_.]/g, '-') === name.toLowerCase(),
      )
      expect(spelled).toHaveLength(own)
    }
  })

  it('A01 drops the name alone: a value with it goes through', async () => {
    const [request] = await admitBoth('X-Names: X_Forwarded_User, X-Forwarded_User')
    expect(request?.header('x-names')).toBe('X_Forwarded_User, X-Forwarded_User')
  })
})

describe('A03: an identity field where the sidecar has nothing to put', () => {
  it('A03 drops it with a token that says nothing of it, and without any token', async () => {
    const poor = await hop.issuer.sign({ scope: 'orders:read', email: undefined, client_id: undefined })
    const fields = ['X-User-Id: admin', 'X-Email: admin@orders.test', 'X-Forwarded-Email: admin@orders.test']
    const { request } = await hop.expectAdmitted(get('/orders/1', `Authorization: Bearer ${poor}`, ...fields))
    expect(textOf(request)).not.toContain('admin')
    const open = await hop.expectAdmitted(get('/public/1', ...fields))
    expect(textOf(open.request)).not.toContain('admin')
  })
})

describe('A06: X-Forwarded-Host and X-Forwarded-Proto of somebody who is not trusted', () => {
  const forged = [
    'X-Forwarded-Host: inner.test',
    'X-Forwarded-Proto: https',
    'Forwarded: host=inner.test;proto=https',
  ]

  it('A06 opens no route of another host', async () => {
    await hop.expectRefused(get('/inner', ...forged), routeNotFound)
    const { event } = await hop.expectAdmitted(get('/inner', 'Host: inner.test'))
    expect(event['path']).toBe('/inner')
  })

  it('A06 changes nothing of the record or of the answer, forwarded or refused', async () => {
    const honest = await hop.expectAdmitted(get('/public/1'))
    const lying = await hop.expectAdmitted(get('/public/1', ...forged))
    expect(lasting(lying.event)).toEqual(lasting(honest.event))
    const refused = await hop.expectRefused(get('/orders/1'), tokenMissing)
    const refusedLiar = await hop.expectRefused(get('/orders/1', ...forged), tokenMissing)
    expect(lasting(refusedLiar.event)).toEqual(lasting(refused.event))
    expect(refusedLiar.answer.headers.map(([name]) => name)).toEqual(
      refused.answer.headers.map(([name]) => name),
    )
    expect(refusedLiar.answer.raw.toString()).not.toMatch(/inner\.test|https/)
  })

  /** What two requests of the same kind have in common. */
  const lasting = (event: RecordedEvent): unknown => {
    const { request_id: _id, trace_id: _trace, stage_us: _stages, delivery, ...rest } = event
    const { upstream_us: _upstream, ...delivered } = (delivery ?? {}) as Record<string, unknown>
    return { ...rest, delivered }
  }
})

describe('A07: a caller that says it is a health check', () => {
  it.each([
    'kube-probe/1.30',
    'GoogleHC/1.0',
    'ELB-HealthChecker/2.0',
    'Consul Health Check',
    'Prometheus/2.5',
  ])('A07 asks %s for a token like anybody', async agent => {
    await hop.expectRefused(get('/orders/1', `User-Agent: ${agent}`), tokenMissing)
    const { request } = await hop.expectAdmitted(get('/orders/1', bearer(), `User-Agent: ${agent}`))
    expect(request.header('user-agent')).toBe(agent)
  })

  it.each(['/livez', '/readyz', '/healthz', '/ping', '/metrics', '/.well-known/jwks.json'])(
    'A07 has no %s of its own on the data port',
    async path => {
      await hop.expectRefused(get(path, 'User-Agent: kube-probe/1.30'), routeNotFound)
    },
  )

  it('A07 answers them on the admin port', async () => {
    expect((await fetch(`${hop.adminUrl}/livez`)).status).toBe(200)
  })
})

describe('A09: a field with several values', () => {
  it.each<[string, readonly string[]]>([
    ['in one field', ['X-Plan: gold, free']],
    ['in two fields', ['X-Plan: gold', 'X-Plan: free']],
    ['in two fields, the other way round', ['X-Plan: free', 'X-Plan: gold']],
    ['in two fields in different case', ['x-plan: gold', 'X-PLAN: free']],
    ['not at all', []],
  ])('A09 lets the policy see all of them, and none is not allowed: %s', async (_, fields) => {
    await hop.expectRefused(get('/plan', bearer(), ...fields), notPermitted)
  })

  it('A09 lets them pass that the policy allows', async () => {
    const { request } = await hop.expectAdmitted(get('/plan', bearer(), 'X-Plan: gold', 'X-Plan: silver'))
    expect(request.headerAll('x-plan')).toEqual(['gold', 'silver'])
  })

  it('A09 drops every value of a role', async () => {
    for (const fields of [['X-Role: user', 'X-Role: admin'], ['X-Role: user,admin']]) {
      const [request] = await admitBoth(...fields)
      expect(request?.headerAll('x-role')).toEqual([])
    }
  })
})

describe('A12: names that every object has', () => {
  const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf', 'prototype']
  const fields = names.map(name => `${name}: polluted`)
  const query = names.map(name => `${name}=polluted&${name}[polluted]=polluted`).join('&')

  const expectClean = async (): Promise<void> => {
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted')
    for (const request of await admitBoth()) expect(textOf(request)).not.toContain('polluted')
  }

  it('A12 forwards fields of these names as they came, and to nobody else', async () => {
    for (const request of await admitBoth(...fields)) {
      expect(request.headers.filter(([, value]) => value === 'polluted').map(([name]) => name)).toEqual(names)
    }
    await expectClean()
  })

  it('A12 forwards them with an upgrade', async () => {
    hop.upstream.enqueue(handshakeAnswer.replace(/\r\n$/, `${fields.join('\r\n')}\r\n\r\n`))
    const index = hop.upstream.requests.length
    const socket = await openRaw(hop.port)
    socket.write(get('/live', ...handshakeFields, ...fields))
    const answer = String((await once(socket, 'data'))[0])
    socket.destroy()
    expect(answer).toMatch(/^HTTP\/1\.1 101 /)
    const request = await hop.upstream.request(index)
    expect(textOf(request)).not.toContain('native code')
    for (const name of names) {
      expect(request.headerAll(name), name).toEqual(['polluted'])
      expect(answer.toLowerCase()).toContain(`\r\n${name.toLowerCase()}: polluted\r\n`)
    }
    await expectClean()
  })

  it('A12 forwards them in path and query, and records them as text', async () => {
    for (const name of names) {
      const { event, request } = await hop.expectAdmitted(get(`/public/${name}?${query}`))
      expect(request.target).toBe(`/public/${name}?${query}`)
      expect(event['path']).toBe(`/public/${name}`)
      await hop.expectRefused(get(`/${name}`), routeNotFound)
    }
    await expectClean()
  })

  it.each(names)('A12 finds no host and no policy field by the name %s', async name => {
    await hop.expectRefused(get('/inner', `Host: ${name.replaceAll('_', '')}`), routeNotFound)
    const plan = await startRawHop({
      routes: `${rawRoutes}
  - { path: /guarded, audience: orders-api, allow: 'request.headers["${name.toLowerCase()}"] == "yes"' }`,
    })
    const credentials = `Authorization: Bearer ${plan.token}`
    await plan.expectRefused(get('/guarded', credentials), notPermitted)
    const asked = get('/guarded', credentials, `${name}: yes`)
    // The expression language asks a map for its constructor: with such a field it knows nothing, and permits nothing.
    if (name === 'constructor') await plan.expectRefused(asked, notPermitted)
    else await plan.expectAdmitted(asked)
    await plan.close()
  })

  it('A12 takes no such key in the configuration', async () => {
    for (const name of names) {
      const problems = sidecarProblems(
        `service: orders\nupstream: http://127.0.0.1:1\n${name}: { polluted: true }\n`,
      )
      expect(problems.join('\n')).toContain(name)
    }
    await expectClean()
  })
})
