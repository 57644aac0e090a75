import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/base/secret.ts'
import { goodSidecar, readSidecar, sidecarProblems } from '../../support/config-text.ts'

const env = { S: 'hunter2' }

/** The good configuration with a decision point named `pdp`, and a route that has this as `decide`. */
function withPoint(point: string, decide = 'pdp'): string {
  const route = goodSidecar.replace('audience: orders-api', `audience: orders-api, decide: ${decide}`)
  return `${route}decision_points: { pdp: { ${point} } }\n`
}

const https = 'url: "https://pdp.test"'

describe('decision points', () => {
  it('have a default for everything but the address', () => {
    const config = readSidecar(withPoint(https))
    expect(config.decisionPoints).toEqual([
      {
        name: 'pdp',
        url: new URL('https://pdp.test/access/v1/evaluation'),
        secret: undefined,
        claims: [],
        timeoutMs: 1_000,
      },
    ])
    expect(config.routes).toMatchObject([
      { decide: { point: 'pdp', cacheMs: 5_000, whenUnavailable: 'deny' } },
    ])
    expect(readSidecar(goodSidecar).decisionPoints).toEqual([])
    expect(readSidecar(goodSidecar).routes[0]).not.toHaveProperty('decide')
  })

  it('take everything that can be said, and a route what is said there', () => {
    const point = `url: "https://pdp.test/tenants/a/eval?v=1", secret: "\${S}", claims: [department], timeout: 200ms, cache: 0s, when_unavailable: ignore`
    const config = readSidecar(withPoint(point), env)
    expect(config.decisionPoints).toEqual([
      {
        name: 'pdp',
        url: new URL('https://pdp.test/tenants/a/eval?v=1'),
        secret: new Secret('hunter2'),
        claims: ['department'],
        timeoutMs: 200,
      },
    ])
    expect(config.routes).toMatchObject([{ decide: { cacheMs: 0, whenUnavailable: 'ignore' } }])
    const strict = readSidecar(withPoint(point, '{ point: pdp, cache: 1m, when_unavailable: deny }'), env)
    expect(strict.routes).toMatchObject([
      { decide: { point: 'pdp', cacheMs: 60_000, whenUnavailable: 'deny' } },
    ])
  })

  it.each<[string, string, string]>([
    [
      'a name that is not there',
      withPoint(https, 'opa'),
      'routes[0].decide: found "opa", which is not in decision_points; expected the name of a decision point',
    ],
    [
      'a name of every object',
      withPoint(https, '{ point: constructor }'),
      'routes[0].decide.point: found "constructor", which is not in decision_points; expected the name of a decision point',
    ],
    [
      'plain text to another machine',
      withPoint('url: "http://pdp.test"'),
      'decision_points.pdp.url: found a value, which is http: to another machine; expected https:, or plaintext: true beside it',
    ],
    [
      'a literal secret',
      withPoint(`${https}, secret: hunter2`),
      `decision_points.pdp.secret: found a literal secret; expected \${NAME} or { file: PATH }`,
    ],
    [
      'no address',
      withPoint('timeout: 1s'),
      'decision_points.pdp.url: found nothing; expected an https: URL',
    ],
    [
      'another way out',
      withPoint(`${https}, when_unavailable: allow`),
      'decision_points.pdp.when_unavailable: found "allow"; expected one of deny, ignore',
    ],
  ])('are refused with %s', (_, text, problem) => {
    expect(sidecarProblems(text, env).map(line => line.replace(/^c\.yaml:\d+:\d+: /, ''))).toEqual([problem])
  })

  it('are a part of the policy, but for secrets and time limits', () => {
    const digest = (point: string, decide = 'pdp', secret = 'a') =>
      readSidecar(withPoint(point, decide), { S: secret }).policyDigest
    const plain = digest(https)
    expect(digest(`${https}, timeout: 2s`)).toBe(plain)
    expect(digest(`${https}, secret: "\${S}"`, 'pdp', 'b')).toBe(digest(`${https}, secret: "\${S}"`))
    const others = [
      digest('url: "https://other.test"'),
      digest(`${https}, claims: [a]`),
      digest(`${https}, when_unavailable: ignore`),
      digest(https, '{ point: pdp, when_unavailable: ignore, cache: 1s }'),
      readSidecar(goodSidecar).policyDigest,
    ]
    expect(new Set([plain, ...others]).size).toBe(others.length + 1)
  })
})
