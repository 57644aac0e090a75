import { describe, expect, it } from 'vitest'
import { goodSidecar, sidecarProblems } from '../../support/config-text.ts'

/** A good configuration with one line changed or added. */
function withLine(line: number, text: string): string {
  const lines = goodSidecar.trimEnd().split('\n')
  lines[line - 1] = text
  return `${lines.join('\n')}\n`
}

const algorithmTitle = 'one of RS256, PS256, ES256, EdDSA, Ed25519, RS384, RS512, PS384, PS512, ES384, ES512'
const methodTitle =
  'one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK, REPORT, SEARCH'

describe('a good configuration', () => {
  it('has no problems', () => {
    expect(sidecarProblems(goodSidecar)).toEqual([])
  })
})

describe('keys', () => {
  it('says where an unknown key stands and what was meant', () => {
    expect(sidecarProblems(`${goodSidecar}chache: {}\n`)).toEqual([
      'c.yaml:8:1: chache: found an unknown key; expected one of service, listen, admin, upstream, workers, issuers, exchange, cache, routes, limits, timeouts, audit, forwarded, protected_resource, policy, environment, decision_points, context, sts; did you mean "cache"?',
    ])
    expect(sidecarProblems(`${goodSidecar}limits:\n  headres: 1KiB\n`)).toEqual([
      'c.yaml:9:3: limits.headres: found an unknown key; expected one of headers, header_count, target, body, token, connections, requests, event_loop_delay, memory, requests_per_connection, streams_per_connection; did you mean "headers"?',
    ])
    expect(sidecarProblems(withLine(7, '  - { path: /a, public: true, zzz: 1 }'))[0]).toMatch(
      /^c\.yaml:7:31: routes\[0\]\.zzz: found an unknown key; expected one of path, host, .*websocket$/,
    )
  })

  it('finds an unknown key inside a value that may have several shapes', () => {
    const server = 'exchange: { server: https://hub.test, client: { secret: { fil: x } } }\n'
    expect(sidecarProblems(goodSidecar + server)).toEqual([
      'c.yaml:8:57: exchange.client.secret.file: found nothing; expected the path of a file',
      'c.yaml:8:59: exchange.client.secret.fil: found an unknown key; expected one of file; did you mean "file"?',
    ])
  })

  it('does not take the merge key, an inherited name or __proto__ for a known one', () => {
    expect(sidecarProblems(`${goodSidecar}<<: {}\n`)[0]).toMatch(
      /^c\.yaml:8:1: \["<<"\]: found an unknown key/,
    )
    expect(sidecarProblems(`${goodSidecar}constructor: {}\n`)[0]).toMatch(
      /^c\.yaml:8:1: constructor: found an unknown key/,
    )
    expect(sidecarProblems(`${goodSidecar}limits: { __proto__: { headers: 1KiB } }\n`)).toEqual([
      'c.yaml:8:11: limits: found the key __proto__',
    ])
  })

  it('says what is missing, at its parent', () => {
    expect(sidecarProblems('{}\n')).toEqual([
      'c.yaml:1:1: service: found nothing; expected a name of letters, digits, . _ and -',
      'c.yaml:1:1: upstream: found nothing; expected an http: or https: URL without path, such as http://127.0.0.1:3000, or a mapping',
      'c.yaml:1:1: routes: found nothing; expected a list of at least one route',
    ])
    expect(sidecarProblems(withLine(5, '    keys: { file: k.json }'))).toEqual([
      'c.yaml:4:5: issuers[0].audience: found nothing; expected a list of at least one audience',
    ])
  })

  it.each([
    ['', 'nothing'],
    ['# only a comment\n', 'nothing'],
    ['- a\n', 'a list'],
    ['text\n', 'text'],
    ['12\n', 'a number'],
  ])('refuses the document %j', (text, found) => {
    expect(sidecarProblems(text)).toEqual([`c.yaml:1:1: found ${found}; expected a mapping`])
  })
})

describe('values', () => {
  it.each([
    [1, 'service: 12', 'c.yaml:1:10: service: found a number; expected a name of letters, digits, . _ and -'],
    [1, 'service: a b', 'c.yaml:1:10: service: found "a b"; expected a name of letters, digits, . _ and -'],
    [
      5,
      '    audience: orders',
      'c.yaml:5:15: issuers[0].audience: found text; expected a list of at least one audience',
    ],
    [
      5,
      '    audience: []',
      'c.yaml:5:15: issuers[0].audience: found an empty list; expected a list of at least one audience',
    ],
    [
      5,
      '    audience: [a b]',
      'c.yaml:5:16: issuers[0].audience[0]: found "a b"; expected an audience: visible ASCII without blanks',
    ],
    [
      8,
      'listen: 8080',
      'c.yaml:8:9: listen: found a number; expected host:port such as 0.0.0.0:8080 or [::]:8080, or a mapping',
    ],
    [
      8,
      'listen: 0127.0.0.1:8080',
      'c.yaml:8:9: listen: found "0127.0.0.1:8080"; expected host:port such as 0.0.0.0:8080 or [::]:8080, or a mapping',
    ],
    [
      8,
      'listen: 0.0.0.0:65536',
      'c.yaml:8:9: listen: found "0.0.0.0:65536"; expected host:port such as 0.0.0.0:8080 or [::]:8080, or a mapping',
    ],
    [
      8,
      'limits: { headers: 16 KiB }',
      'c.yaml:8:20: limits.headers: found "16 KiB"; expected a size such as 16KiB',
    ],
    [
      8,
      'limits: { headers: 1B }',
      'c.yaml:8:20: limits.headers: found "1B", which is out of range; expected a size such as 16KiB',
    ],
    [
      8,
      'limits: { connections: 0 }',
      'c.yaml:8:24: limits.connections: found 0; expected a whole number from 1 to 1000000',
    ],
    [
      8,
      'limits: { connections: 1.5 }',
      'c.yaml:8:24: limits.connections: found a number; expected a whole number from 1 to 1000000',
    ],
    [
      8,
      'timeouts: { drain: 5 }',
      'c.yaml:8:20: timeouts.drain: found a number; expected a duration such as 30s, from 0s to 1h',
    ],
    [
      8,
      'timeouts: { drain: 2h }',
      'c.yaml:8:20: timeouts.drain: found "2h", which is out of range; expected a duration such as 30s, from 0s to 1h',
    ],
    [
      8,
      'exchange: { margin: 1500ms }',
      'c.yaml:8:21: exchange.margin: found "1500ms", which is not in whole seconds; expected a duration such as 30s, from 0s to 1h',
    ],
    [
      8,
      'audit: { when_full: cuont }',
      'c.yaml:8:21: audit.when_full: found "cuont"; expected one of refuse, count; did you mean "count"?',
    ],
    [
      8,
      'audit: { when_full: [] }',
      'c.yaml:8:21: audit.when_full: found an empty list; expected one of refuse, count',
    ],
    [8, 'cache:', 'c.yaml:8:7: cache: found nothing; expected a mapping'],
    [
      8,
      'protected_resource: { resource: http://api.example.com }',
      'c.yaml:8:33: protected_resource.resource: found a value, which is not https:; expected an https: URL without query',
    ],
    [
      8,
      'protected_resource: { resource: "https://api.example.com/?a" }',
      'c.yaml:8:33: protected_resource.resource: found a value, which has a query; expected an https: URL without query',
    ],
    [
      8,
      'protected_resource: { resource: https://api.example.com, documentation: "javascript:alert(1)" }',
      'c.yaml:8:73: protected_resource.documentation: found a value, which is not an absolute URL; expected an https: or http: URL',
    ],
    [
      8,
      'protected_resource: { name: Orders }',
      'c.yaml:8:21: protected_resource.resource: found nothing; expected an https: URL without query',
    ],
    [
      8,
      'forwarded: { trusted_proxies: [10.0.0.0/33] }',
      'c.yaml:8:32: forwarded.trusted_proxies[0]: found "10.0.0.0/33"; expected an IP address or a block such as 10.0.0.0/8',
    ],
    [
      8,
      'forwarded: { trusted_proxies: [fe80::1%eth0] }',
      'c.yaml:8:32: forwarded.trusted_proxies[0]: found "fe80::1%eth0"; expected an IP address or a block such as 10.0.0.0/8',
    ],
    [6, 'routes: []', 'c.yaml:6:9: routes: found an empty list; expected a list of at least one route'],
  ])('line %i: %s', (line, text, problem) => {
    const base = line === 6 ? withLine(line, text).replace(/\n {2}- .*\n$/, '\n') : withLine(line, text)
    expect(sidecarProblems(base)).toEqual([problem])
  })
})

describe('issuers', () => {
  const issuer = (text: string) =>
    `${goodSidecar.replace(/ {2}- issuer(.|\n)*?\nroutes/, `  - ${text}\nroutes`)}`

  it('explains why an algorithm is refused', () => {
    expect(
      sidecarProblems(issuer('{ issuer: https://a.test, audience: [a], algorithms: [HS256, none, RS265] }')),
    ).toEqual([
      `c.yaml:4:59: issuers[0].algorithms[0]: found "HS256", whose key is shared, so that whoever verifies could also forge; expected ${algorithmTitle}`,
      `c.yaml:4:66: issuers[0].algorithms[1]: found "none", which is no signature at all; expected ${algorithmTitle}`,
      `c.yaml:4:72: issuers[0].algorithms[2]: found "RS265"; expected ${algorithmTitle}; did you mean "RS256"?`,
    ])
  })

  it.each([
    [
      '{ issuer: http://login.test, audience: [a] }',
      'c.yaml:4:15: issuers[0].issuer: found a value, which is http: to another machine; expected https:, or plaintext: true beside it',
    ],
    [
      '{ issuer: https://a.test, audience: [a], keys: { jwks_uri: http://a.test/k } }',
      'c.yaml:4:64: issuers[0].keys.jwks_uri: found a value, which is http: to another machine; expected https:, or plaintext: true beside it',
    ],
    [
      '{ issuer: my-sts, audience: [a] }',
      'c.yaml:4:15: issuers[0].issuer: found a value, which is not a URL, so that no keys can be found by it; expected an https: URL, or keys',
    ],
    [
      '{ issuer: https://a.test/b/../c, audience: [a] }',
      'c.yaml:4:15: issuers[0].issuer: found a value, which has a path that is not in canonical form; expected an issuer identifier',
    ],
    [
      '{ issuer: https://a.test, audience: [a], keys: { inline: { keys: [{ kty: oct }] } } }',
      'c.yaml:4:71: issuers[0].keys.inline.keys[0]: found a private or shared key; expected a public key',
    ],
    [
      '{ issuer: https://a.test?x, audience: [a] }',
      'c.yaml:4:15: issuers[0].issuer: found a value, which has a query; expected an issuer identifier',
    ],
    [
      '{ issuer: https://a.test, audience: [a], keys: {} }',
      'c.yaml:4:52: issuers[0].keys: found none of jwks_uri, file, inline; expected exactly one of jwks_uri, file, inline',
    ],
    [
      '{ issuer: https://a.test, audience: [a], keys: { file: a, jwks_uri: https://a.test/k } }',
      'c.yaml:4:54: issuers[0].keys.file: found this beside jwks_uri; expected exactly one of jwks_uri, file, inline',
    ],
    [
      '{ issuer: https://a.test, audience: [a], keys: { inline: { keys: [{ kty: oct, k: AAAA }] } } }',
      'c.yaml:4:71: issuers[0].keys.inline.keys[0]: found a private or shared key; expected a public key',
    ],
    [
      '{ issuer: https://a.test, audience: [a], keys: { inline: { keys: [{ kty: EC, d: AAAA }] } } }',
      'c.yaml:4:71: issuers[0].keys.inline.keys[0]: found a private or shared key; expected a public key',
    ],
    [
      '{ issuer: https://a.test, audience: [a], types: [application/jwt] }',
      'c.yaml:4:54: issuers[0].types[0]: found "application/jwt"; expected a lower-case typ without application/, such as at+jwt, or none',
    ],
    [
      '{ issuer: https://a.test, audience: [a], types: [AT+JWT] }',
      'c.yaml:4:54: issuers[0].types[0]: found "AT+JWT"; expected a lower-case typ without application/, such as at+jwt, or none',
    ],
  ])('%s', (text, problem) => {
    expect(sidecarProblems(issuer(text))).toEqual([problem])
  })

  it.each([
    '{ issuer: http://127.0.0.1:4000, audience: [a] }',
    '{ issuer: http://login.test, audience: [a], plaintext: true }',
    '{ issuer: http://login.test, audience: [a], keys: { file: k.json } }',
    '{ issuer: my-sts, audience: [a], keys: { file: k.json } }',
    '{ issuer: my-sts, audience: [a], keys: { inline: { keys: [{ kty: EC, crv: P-256, x: a, y: b }] } } }',
  ])('twin: %s', text => {
    expect(sidecarProblems(issuer(text))).toEqual([])
  })

  it('refuses the same issuer twice', () => {
    const twice = issuer(
      '{ issuer: https://a.test, audience: [a] }\n  - { issuer: https://a.test, audience: [b] }',
    )
    expect(sidecarProblems(twice)).toEqual([
      'c.yaml:5:15: issuers[1].issuer: found the same as in entry 0; expected each once',
    ])
  })

  it('asks for an issuer as soon as one route is not public', () => {
    const none = goodSidecar.replace(/issuers(.|\n)*?\nroutes/, 'routes')
    expect(sidecarProblems(none)).toEqual([
      'c.yaml:1:1: issuers: found no issuer; expected at least one, or public routes only',
    ])
    expect(sidecarProblems(none.replace(/ {2}- .*\n/, '  - { path: /a, public: true }\n'))).toEqual([])
  })
})

describe('routes', () => {
  const route = (text: string) => withLine(7, `  - ${text}`)

  it.each([
    ['{ path: /a }', 'c.yaml:7:5: routes[0].audience: found nothing; expected an audience, or public: true'],
    [
      '{ path: a, audience: x }',
      'c.yaml:7:13: routes[0].path: found "a", which must begin with /; expected a path such as /orders/{id}/items or /orders/**',
    ],
    [
      '{ path: /a/*, audience: x }',
      'c.yaml:7:13: routes[0].path: found "/a/*", which may use ** as its last segment only, and * nowhere; expected a path such as /orders/{id}/items or /orders/**',
    ],
    [
      '{ path: /a, audience: x, methods: [get] }',
      `c.yaml:7:40: routes[0].methods[0]: found "get"; expected ${methodTitle}; did you mean "GET"?`,
    ],
    [
      '{ path: /a, audience: x, methods: [CONNECT] }',
      `c.yaml:7:40: routes[0].methods[0]: found "CONNECT"; expected ${methodTitle}`,
    ],
    [
      '{ path: /a, audience: x, methods: [] }',
      'c.yaml:7:39: routes[0].methods: found an empty list; expected a list of methods',
    ],
    [
      '{ path: /a, audience: x, scope: "a  b" }',
      'c.yaml:7:37: routes[0].scope: found "a  b", which has a character that no scope may have; expected scopes with single blanks between them, or a list of scopes',
    ],
    [
      '{ path: /a, audience: x, scope: [a b] }',
      'c.yaml:7:38: routes[0].scope[0]: found "a b"; expected one scope: visible ASCII without blanks, " and \\',
    ],
    [
      '{ path: /a, audience: x, scope: 5 }',
      'c.yaml:7:37: routes[0].scope: found a number; expected scopes with single blanks between them, or a list of scopes',
    ],
    [
      '{ path: /a, audience: x, host: API.test }',
      'c.yaml:7:36: routes[0].host: found "API.test"; expected a lower-case host without port',
    ],
    [
      '{ path: /a, audience: x, host: "a.test:80" }',
      'c.yaml:7:36: routes[0].host: found "a.test:80"; expected a lower-case host without port',
    ],
    [
      '{ path: /a, audience: x, resource: "https://a.test/#x" }',
      'c.yaml:7:40: routes[0].resource: found a value, which has a fragment; expected an absolute URI without fragment',
    ],
    [
      '{ path: /a, audience: x, resource: https://a.test/b/../c }',
      'c.yaml:7:40: routes[0].resource: found a value, which is not in canonical form; expected an absolute URI without fragment',
    ],
    [
      '{ path: /a, audience: x, requested_token_type: refresh_token }',
      'c.yaml:7:52: routes[0].requested_token_type: found "refresh_token"; expected access_token, jwt, or a token type URI',
    ],
    [
      '{ path: /a, audience: x, requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" }',
      'c.yaml:7:52: routes[0].requested_token_type: found "urn:ietf:params:oauth:token-type:refresh_token", which is no token for a hop; expected access_token, jwt, or a token type URI',
    ],
    [
      '{ path: /a, audience: x, allow: "1 +" }',
      /^c\.yaml:7:37: routes\[0\]\.allow: found an expression that does not compile \(".*"\); expected a CEL condition$/,
    ],
    [
      '{ path: /a, audience: x, allow: "1 + 1" }',
      /^c\.yaml:7:37: routes\[0\]\.allow: found an expression that does not compile \("is a int, not a bool"\)/,
    ],
    [
      '{ path: /a, audience: x, allow: user.id == "a" }',
      /^c\.yaml:7:37: routes\[0\]\.allow: found an expression that does not compile/,
    ],
    [
      '{ path: /a, websocket: yes }',
      'c.yaml:7:28: routes[0].websocket: found text; expected true, false, or { origins: [https://app.example.com] }',
    ],
    [
      '{ path: /a, websocket: {} }',
      'c.yaml:7:28: routes[0].websocket.origins: found nothing; expected a list of origins',
    ],
    [
      '{ path: /a, websocket: { origins: [] } }',
      'c.yaml:7:39: routes[0].websocket.origins: found an empty list; expected a list of origins',
    ],
    ...(
      [
        ['"null"', 'is not an absolute URL'],
        ['"*"', 'is not an absolute URL'],
        ['a.test', 'is not an absolute URL'],
        ['https://a.test/', 'is not as browsers write it'],
        ['"https://a.test:443"', 'is not as browsers write it'],
        ['https://A.test', 'has a host or port that is not written in its one canonical form'],
        ['https://*.a.test', 'has a host or port that is not written in its one canonical form'],
        ['https://a.test/x', 'has a path'],
        ['https://u:p@a.test', 'has user information'],
      ] as const
    ).map(([text, wrong]): [string, string] => [
      `{ path: /a, websocket: { origins: [${text}] } }`,
      `c.yaml:7:40: routes[0].websocket.origins[0]: found a value, which ${wrong}; expected an origin such as https://app.example.com`,
    ]),
    [
      '{ path: /a, audience: x, require: {} }',
      'c.yaml:7:39: routes[0].require: found nothing that is required; expected acr, max_age or both',
    ],
    [
      '{ path: /a, audience: x, require: { acr: "a b" } }',
      'c.yaml:7:46: routes[0].require.acr: found "a b"; expected an acr value without blanks, or a list of them',
    ],
    [
      '{ path: /a, audience: x, require: { acr: [] } }',
      'c.yaml:7:46: routes[0].require.acr: found an empty list; expected an acr value without blanks, or a list of them',
    ],
    [
      '{ path: /a, audience: x, require: { max_age: 2y } }',
      'c.yaml:7:50: routes[0].require.max_age: found "2y"; expected a duration such as 30s, from 0s to 366d',
    ],
    ['{ path: /a, public: yes }', 'c.yaml:7:25: routes[0].public: found text; expected true or false'],
  ])('%s', (text, problem) => {
    const problems = sidecarProblems(route(text))
    expect(problems.filter(line => !line.includes('audience: found nothing') || line === problem)).toEqual([
      typeof problem === 'string' ? problem : expect.stringMatching(problem),
    ])
  })

  it('refuses on a public route everything that only a protected one has, each at its key', () => {
    const keys =
      'verify: jwt, audience: x, resource: "urn:x", scope: a, optional_scope: b, clients: [c], allow: "true", decide: d, require: { acr: a }, ttl: 1s, requested_token_type: jwt, privileged: false'
    const found = 'found a key that means nothing on a public route; expected one without the other'
    const problems = sidecarProblems(route(`{ path: /a, public: true, websocket: true, ${keys} }`))
    expect(problems).toHaveLength(12)
    expect(problems[0]).toBe(`c.yaml:7:48: routes[0].verify: ${found}`)
    expect(problems[11]).toMatch(/routes\[0\]\.privileged/)
  })

  it('refuses two routes of which neither is more specific', () => {
    expect(
      sidecarProblems(
        `${goodSidecar}  - { path: '/a/{x}', audience: x }\n  - { path: '/a/{y}', audience: y }\n`,
      ),
    ).toEqual([
      'c.yaml:9:5: routes[2]: found a route for the same requests as routes[1]; expected one of them',
    ])
  })

  it('refuses a route that more specific ones leave nothing', () => {
    const paths = ['/orders', '/orders/', '/orders/{x}/**'].map(
      path => `  - { path: '${path}', public: true }\n`,
    )
    expect(sidecarProblems(goodSidecar + paths.join(''))).toEqual([
      'c.yaml:7:5: routes[0]: found a route that gets no request: more specific routes take them all; expected it gone, or the others narrower',
    ])
    expect(sidecarProblems(goodSidecar + paths.slice(1).join(''))).toEqual([])
  })

  it('refuses one name for two routes, also where one is derived', () => {
    const names = '  - { path: /a, public: true, name: a }\n  - { path: /b, public: true, name: a }\n'
    expect(sidecarProblems(goodSidecar + names)).toEqual([
      'c.yaml:9:5: routes[2]: found the name of routes[1] again; expected another name',
    ])
  })

  it('compares the routes that are good even when others are not', () => {
    const more = '  - { path: x, public: true }\n  - { path: "/orders/**", audience: y }\n'
    expect(sidecarProblems(goodSidecar + more)).toEqual([
      expect.stringMatching(/^c\.yaml:8:13: routes\[1\]\.path: found "x"/),
      'c.yaml:9:5: routes[2]: found a route for the same requests as routes[0]; expected one of them',
    ])
  })
})

describe('addresses', () => {
  const upstreamTitle = 'an http: or https: URL without path, such as http://127.0.0.1:3000'

  it.each([
    ['ftp://a.test', 'has another scheme'],
    ['http://u:p@a.test', 'has user information'],
    ['http://u@a.test', 'has user information'],
    ['http://a.test/b', 'has a path'],
    ['http://a.test?b', 'has a query'],
    ['"http://a.test#b"', 'has a fragment'],
    ['a.test:3000', 'is not an absolute URL'],
    ['http:/a.test', 'is not an absolute URL'],
    ['HTTP://a.test', 'is not an absolute URL'],
    ['http://', 'is not an absolute URL'],
    ['http://a%00.test', 'is not an absolute URL'],
    ['"http://a.test "', 'has blanks, control characters or characters outside ASCII'],
    ['"http://a\\0.test"', 'has blanks, control characters or characters outside ASCII'],
    ['"http://a\\u3002test"', 'has blanks, control characters or characters outside ASCII'],
    ['"http://b\\u00fccher.test"', 'has blanks, control characters or characters outside ASCII'],
    ...[
      '0127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f.0.0.1',
      'LOCALHOST',
      'localhost.',
      'LOCALHOST.',
      '0x7f000001',
      '0177.0.0.1',
      '127.0.0.1.',
      'a..test',
      '-a.test',
      'a%2etest',
      '[0:0:0:0:0:0:0:1]',
      'a.test:0',
      'a.test:',
      'a.test:080',
    ].map(host => [`"http://${host}"`, 'has a host or port that is not written in its one canonical form']),
  ])('G05 refuses upstream %s, which %s', (url, reason) => {
    expect(sidecarProblems(withLine(2, `upstream: ${url}`))).toEqual([
      `c.yaml:2:11: upstream: found a value, which ${reason}; expected ${upstreamTitle}, or a mapping`,
    ])
    expect(sidecarProblems(withLine(2, `upstream: { url: ${url} }`))).toEqual([
      `c.yaml:2:18: upstream.url: found a value, which ${reason}; expected ${upstreamTitle}`,
    ])
  })

  it.each([
    'http://127.0.0.1',
    'https://a-b.test:8443/',
    'http://my_service:3000',
    'http://[::1]:3000',
    'http://xn--bcher-kva.test',
  ])('G05 takes upstream %s', url => {
    expect(sidecarProblems(withLine(2, `upstream: "${url}"`))).toEqual([])
    expect(sidecarProblems(withLine(2, `upstream: { url: "${url}" }`))).toEqual([])
  })

  it.each([
    ['listen: 0.0.0.0:9090', 'c.yaml:1:1: admin: found the port of listen; expected another port'],
    ['listen: 127.0.0.1:9090', 'c.yaml:1:1: admin: found the port of listen; expected another port'],
    ['listen: localhost:9090', 'c.yaml:1:1: admin: found the port of listen; expected another port'],
    ['admin: "[::]:8080"', 'c.yaml:8:8: admin: found the port of listen; expected another port'],
    [
      'admin: 127.0.0.1:0',
      'c.yaml:8:8: admin: found port 0, by which the token service inside the sidecar cannot be found; expected a port, or sts.issuer',
    ],
    [
      'listen: 0.0.0.0:3000',
      'c.yaml:2:11: upstream: found an address that this sidecar itself listens on; expected another server',
    ],
    [
      'listen: { address: 0.0.0.0:3000 }',
      'c.yaml:2:11: upstream: found an address that this sidecar itself listens on; expected another server',
    ],
    [
      'listen: { address: 0.0.0.0:9090 }',
      'c.yaml:1:1: admin: found the port of listen; expected another port',
    ],
    [
      'admin: 127.0.0.1:3000',
      'c.yaml:2:11: upstream: found an address that this sidecar itself listens on; expected another server',
    ],
  ])('%s', (text, problem) => {
    expect(sidecarProblems(`${goodSidecar}${text}\n`)).toEqual([problem])
  })

  it('lets an upstream on another machine have the same port', () => {
    expect(sidecarProblems(withLine(2, 'upstream: http://10.0.0.5:8080'))).toEqual([])
    expect(sidecarProblems(withLine(2, 'upstream: http://orders:8080'))).toEqual([])
    expect(sidecarProblems(`${goodSidecar}listen: 10.0.0.5:9090\n`)).toEqual([])
  })

  it('lets the system choose both ports', () => {
    const chosen = 'listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsts: { issuer: http://127.0.0.1:9090 }\n'
    expect(sidecarProblems(goodSidecar + chosen)).toEqual([])
  })
})

describe('exchange', () => {
  const env = { S: 'shh' }

  it.each([
    [
      '{ server: https://hub.test }',
      'c.yaml:8:11: exchange.client: found nothing; expected how to authenticate at the server',
    ],
    [
      `{ client: { secret: "\${S}" } }`,
      'c.yaml:8:13: exchange.client: found a client without a server; the token service inside the sidecar needs none; expected server beside it',
    ],
    [
      '{ server: http://hub.test, client: { key: k } }',
      'c.yaml:8:21: exchange.server: found a value, which is http: to another machine; expected https:, or plaintext: true beside it',
    ],
    [
      '{ server: "https://u:p@hub.test", client: { key: k } }',
      'c.yaml:8:21: exchange.server: found a value, which has user information; expected an https: URL without query',
    ],
    [
      '{ server: http://127.0.0.1:8080, client: { key: k } }',
      'c.yaml:8:21: exchange.server: found an address that this sidecar itself listens on; expected another server',
    ],
    [
      '{ server: http://localhost:9090/sts, client: { key: k } }',
      'c.yaml:8:21: exchange.server: found an address that this sidecar itself listens on; expected another server',
    ],
    [
      '{ server: https://hub.test, client: {} }',
      'c.yaml:8:47: exchange.client: found a client without secret or key; expected secret or key',
    ],
    [
      '{ server: https://hub.test, client: { authentication: private_key_jwt } }',
      'c.yaml:8:47: exchange.client: found a client without key; expected key',
    ],
    [
      `{ server: https://hub.test, client: { key: k, secret: "\${S}" } }`,
      'c.yaml:8:57: exchange.client.secret: found a key that does not go with private_key_jwt; expected key',
    ],
    [
      `{ server: https://hub.test, client: { authentication: client_secret_post, secret: "\${S}", key: k } }`,
      'c.yaml:8:101: exchange.client.key: found a key that does not go with a client secret; expected secret',
    ],
    [
      `{ server: https://hub.test, client: { secret: "\${S}", assertion_audience: issuer } }`,
      'c.yaml:8:65: exchange.client.assertion_audience: found a key that does not go with a client secret; expected secret',
    ],
    [
      '{ server: https://hub.test, client: { key: k, authentication: private_key } }',
      'c.yaml:8:73: exchange.client.authentication: found "private_key"; expected one of client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth, self_signed_tls_client_auth, kubernetes, spiffe_jwt, spiffe_x509; did you mean "private_key_jwt"?',
    ],
  ])('%s', (text, problem) => {
    expect(sidecarProblems(`${goodSidecar}exchange: ${text}\n`, env)).toEqual([problem])
  })

  it('does not run a token service beside a server', () => {
    const both = 'exchange: { server: https://hub.test, client: { key: k } }\nsts: { max_ttl: 1m }\n'
    expect(sidecarProblems(goodSidecar + both)).toEqual([
      'c.yaml:9:1: sts: found a token service beside exchange.server; expected one of them',
    ])
  })

  it('does not sign with what the sidecar itself would not take', () => {
    const sts = 'sts: { algorithm: PS256 }\n'
    expect(sidecarProblems(goodSidecar + sts)).toEqual([])
    expect(sidecarProblems(`${goodSidecar}exchange: { algorithms: [ES256] }\n${sts}`)).toEqual([
      'c.yaml:9:19: sts.algorithm: found PS256, which is not among exchange.algorithms; expected one of those',
    ])
  })

  it('does not take the sidecar itself for a further client', () => {
    const self = `sts: { clients: [{ id: orders, secret: "\${S}", audiences: {} }] }\n`
    expect(sidecarProblems(goodSidecar + self, env)).toEqual([
      'c.yaml:8:24: sts.clients[0].id: found the sidecar itself, which is a client already; expected another client',
    ])
  })
})

describe('many problems', () => {
  it('are all reported at once, in the order of the file', () => {
    const problems = sidecarProblems(`service: a b
upstream: ftp://x
issuers: [{ issuer: https://a.test }]
exchange: { timeout: 5 }
routes: [{ path: /a }, { path: b, public: true }]
listen: 0.0.0.0:9090
`)
    expect(problems.map(line => line.split(' ')[0])).toEqual([
      'c.yaml:1:1:',
      'c.yaml:1:10:',
      'c.yaml:2:11:',
      'c.yaml:3:11:',
      'c.yaml:4:22:',
      'c.yaml:5:10:',
      'c.yaml:5:32:',
    ])
  })
})

describe('identities', () => {
  const route = (keys: string) => withLine(7, `  - { path: /a, audience: a, ${keys} }`)

  it('of a route for machines, and a dual one in a trust domain, are fine', () => {
    expect(sidecarProblems(route('mode: machine'))).toEqual([])
    expect(sidecarProblems(`${route('identity: dual')}context: { trust_domain: shop.test }\n`)).toEqual([])
  })

  it('are not dual without a trust domain, and not beside another mode', () => {
    expect(sidecarProblems(route('identity: dual'))[0]).toMatch(
      /routes\[0\]\.identity: found dual, without a trust domain; expected context\.trust_domain/,
    )
    const beside = `${route('identity: dual, mode: delegation')}context: { trust_domain: shop.test }\n`
    expect(sidecarProblems(beside)[0]).toMatch(/routes\[0\]\.mode: found delegation beside identity: dual/)
  })
})
