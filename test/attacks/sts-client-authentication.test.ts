import { createHmac, createPublicKey, X509Certificate } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { grantType, jwtBearerClientAssertion, jwtSpiffeClientAssertion } from '../../src/oauth/grant-type.ts'
import { tokenType } from '../../src/oauth/token-type.ts'
import {
  canMakeCertificates,
  createAuthority,
  createCertificate,
  expired,
  type TestCertificate,
  withCertificates,
} from '../support/certificate.ts'
import {
  type ClientIdentities,
  createClientIdentities,
  hashedSecret,
  postedSecret,
  projectedClaims,
  svidClaims,
} from '../support/client-identities.ts'
import { type FormAnswer, postForm } from '../support/https-form.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { type HubEvent, type RunningHubs, startHubs } from '../support/start-hub.ts'
import { basic, decodeClaims, type FormParameters } from '../support/token-service.ts'
import { createTestIssuer, encode } from '../support/tokens.ts'

// Whoever is taken for a client gets that client's tokens. Each case presents credentials that are almost good, over a
// real TLS connection to a hub that has one client for each method: 401, the same words whatever was wrong, and one
// event that says what it was. Beside each stands the twin that gets its token.

/** What a client brings. */
interface Presentation {
  readonly form?: FormParameters
  readonly authorization?: string
  readonly certificate?: TestCertificate | undefined
}

describe.skipIf(!canMakeCertificates)(`H07 client authentication${withCertificates}`, () => {
  let identities: ClientIdentities
  let redis: TestRedis
  let hubs: RunningHubs
  /** How many events were looked at. */
  let seen: number

  beforeAll(async () => {
    ;[identities, redis] = await Promise.all([createClientIdentities(), startRedis()])
  })
  afterAll(() => Promise.all([identities.close(), redis.stop()]))
  beforeEach(async () => {
    const { tls, sts } = identities
    hubs = await startHubs({ replicas: 2, redis: redis.url, sts, tls })
    seen = 0
  })
  afterEach(async () => {
    const recorded = JSON.stringify(await hubs.events())
    await hubs.close()
    expect(recorded).not.toMatch(/eyJ[\w-]*\./)
    for (const secret of [hashedSecret, postedSecret, 'canary']) expect(recorded).not.toContain(secret)
  })

  const present = async (
    { form = {}, authorization, certificate }: Presentation,
    replica = 0,
  ): Promise<FormAnswer> => {
    const subject = await hubs.login.sign({ aud: 'orders', scope: 'orders:read' })
    const exchange = {
      grant_type: grantType.tokenExchange,
      subject_token: subject,
      subject_token_type: tokenType.accessToken,
      audience: 'orders-api',
    }
    const url = `${hubs.replicas[replica]?.url}/sts/token`
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    return postForm(url, { ...exchange, ...form }, { ca: identities.serverCa, own: certificate }, headers)
  }

  /** The event of the last answer. The record is written behind it. */
  const nextEvent = async (): Promise<HubEvent> => {
    await expect.poll(async () => (await hubs.events()).length, { timeout: 10_000 }).toBeGreaterThan(seen)
    seen++
    return (await hubs.events())[seen - 1] as HubEvent
  }

  const expectRefused = async (
    attempt: Presentation,
    detail: string | RegExp,
    client: string | undefined,
    replica = 0,
  ): Promise<void> => {
    const answer = await present(attempt, replica)
    expect(answer).toMatchObject({
      status: 401,
      json: { error: 'invalid_client', error_description: 'client authentication failed' },
      headers: { 'www-authenticate': expect.stringMatching(/^Basic /) },
    })
    expect(answer.json).not.toHaveProperty('access_token')
    const { type, data } = await nextEvent()
    expect(type).toBe('io.hopgate.token.refused.v1')
    expect(data).toMatchObject({ error: 'invalid_client', detail: expect.stringMatching(detail) })
    expect(data['client_id']).toBe(client)
  }

  const expectIssued = async (honest: Presentation, client: string, replica = 0): Promise<void> => {
    const answer = await present(honest, replica)
    expect(answer.json['error']).toBeUndefined()
    expect(answer.status).toBe(200)
    expect(decodeClaims(String(answer.json['access_token']))).toMatchObject({
      sub: 'alice',
      client_id: client,
      act: { sub: client },
    })
    expect(await nextEvent()).toMatchObject({
      type: 'io.hopgate.token.issued.v1',
      data: { client_id: client },
    })
  }

  const byAssertion = (client_assertion: string, form: FormParameters = {}): Presentation => ({
    form: { client_assertion, client_assertion_type: jwtBearerClientAssertion, ...form },
  })
  const bySvid = (client_assertion: string, form: FormParameters = {}): Presentation =>
    byAssertion(client_assertion, { client_assertion_type: jwtSpiffeClientAssertion, ...form })
  const byCertificate = (client_id: string, certificate: TestCertificate | undefined): Presentation => ({
    form: { client_id },
    certificate,
  })
  const certificateOf = (client: string): TestCertificate | undefined => identities.certificates[client]

  describe('by a secret', () => {
    afterEach(() => expectIssued({ authorization: basic('hashed', hashedSecret) }, 'hashed'))

    it.each<[string, () => Presentation, string | undefined]>([
      ['that is wrong', () => ({ authorization: basic('hashed', 'canary') }), 'hashed'],
      ['that is longer', () => ({ authorization: basic('hashed', `${hashedSecret}x`) }), 'hashed'],
      ['that is the hash', () => ({ authorization: basic('hashed', hashOf(identities)) }), 'hashed'],
      ['of another client', () => ({ authorization: basic('hashed', postedSecret) }), 'hashed'],
      ['in the body', () => ({ form: { client_id: 'hashed', client_secret: 'canary' } }), 'hashed'],
      ['of nobody', () => ({ authorization: basic('nobody', hashedSecret) }), undefined],
      ['of a client that has a key', () => ({ authorization: basic('keyed', 'canary') }), 'keyed'],
      ['of a client that has a certificate', () => ({ authorization: basic('by-dn', 'canary') }), 'by-dn'],
    ])('%s', async (_, attempt, client) => {
      await expectRefused(attempt(), 'unknown client or wrong secret', client)
    })

    it.each<[string, Presentation]>([
      ['that is empty, in the header', { authorization: `Basic ${btoa('hashed:')}` }],
      ['that is empty, in the body', { form: { client_id: 'hashed', client_secret: '' } }],
      ['that is not there', { form: { client_id: 'hashed' } }],
    ])('%s', async (_, attempt) => {
      await expectRefused(attempt, /empty or not form-encoded|no client authentication/, undefined)
    })

    it('in a way that is not the one of its client', async () => {
      const attempt = { authorization: basic('posted', postedSecret) }
      await expectRefused(attempt, 'unknown client or wrong secret', 'posted')
      await expectIssued({ form: { client_id: 'posted', client_secret: postedSecret } }, 'posted')
    })

    it('and by another method at once, both right', async () => {
      const form = { client_id: 'hashed', client_secret: hashedSecret }
      const answer = await present({ form, authorization: basic('hashed', hashedSecret) })
      // RFC 6749 §5.2 names this case under invalid_request.
      expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
      expect(await nextEvent()).toMatchObject({ data: { error: 'invalid_request' } })
      await expectIssued({ form }, 'hashed')
    })

    it('beside a certificate that proves another client: the one that was asked for counts', async () => {
      const certificate = certificateOf('by-dn')
      await expectIssued({ authorization: basic('hashed', hashedSecret), certificate }, 'hashed')
      await expectRefused(
        { authorization: basic('hashed', 'canary'), certificate },
        'unknown client or wrong secret',
        'hashed',
      )
    })

    it('after another, until nobody listens', async () => {
      for (let i = 0; i < 20; i++) await present({ authorization: basic('hashed', `canary-${i}`) })
      const answer = await present({ authorization: basic('hashed', hashedSecret) })
      expect(answer).toMatchObject({ status: 429, json: { error: 'invalid_client' } })
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
      await expect.poll(async () => (await hubs.events()).length).toBe(21)
      expect((await hubs.events()).at(-1)).toMatchObject({
        data: { error: 'invalid_client', detail: 'too many failed attempts', client_id: 'hashed' },
      })
      seen = 21
      // Others are heard, and so is the client at the other replica.
      await expectIssued(byCertificate('by-dn', certificateOf('by-dn')), 'by-dn')
      await expectIssued({ authorization: basic('hashed', hashedSecret) }, 'hashed', 1)
      await hubs.close()
      const { tls, sts } = identities
      hubs = await startHubs({ redis: redis.url, sts, tls })
      seen = 0
    })

    it('many at a time: who waits until nobody listens is not looked at', async () => {
      const guess = (i: number) => present({ authorization: basic('hashed', `canary-${i}`) })
      for (let i = 0; i < 19; i++) await guess(i)
      const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => guess(100 + i)))
      const statuses = answers.map(({ status }) => status)
      // Two are worked on at a time, and one more may begin before the failure that was the last is counted.
      expect(statuses.filter(status => status === 401).length).toBeLessThanOrEqual(4)
      expect(statuses.filter(status => status === 429).length).toBeGreaterThanOrEqual(6)
      const flood = await Promise.all(Array.from({ length: 60 }, (_, i) => guess(200 + i)))
      expect(flood.filter(({ status }) => status !== 429)).toEqual([])
      await hubs.close()
      const { tls, sts } = identities
      hubs = await startHubs({ redis: redis.url, sts, tls })
      seen = 0
    })
  })

  describe('by an assertion', () => {
    const assertion = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) => {
      const now = Math.floor(Date.now() / 1000)
      const defaults = { sub: 'keyed', aud: hubs.issuer, iat: now, exp: now + 55 }
      const removed = { client_id: undefined, scope: undefined }
      return identities.keyed.sign(
        { ...defaults, ...removed, ...claims },
        { typ: 'client-authentication+jwt', ...header },
      )
    }
    afterEach(async () => expectIssued(byAssertion(await assertion()), 'keyed'))
    const soon = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

    it.each<[string, (issuer: string) => Record<string, unknown>, string, string | undefined]>([
      ['for the token endpoint', aud => ({ aud: `${aud}/token` }), 'aud is not this issuer alone', 'keyed'],
      [
        'for the issuer and another server',
        aud => ({ aud: [aud, 'https://evil.test'] }),
        'aud is not this issuer alone',
        'keyed',
      ],
      ['for another issuer', () => ({ aud: 'https://evil.test' }), 'aud is not this issuer alone', 'keyed'],
      ['that lives for an hour', () => ({ exp: soon(3_600) }), 'it lives longer than 60 s', 'keyed'],
      ['that has expired', () => ({ exp: soon(-60) }), 'expired', 'keyed'],
      ['of the future', () => ({ iat: soon(60) }), 'iat is not a past time', 'keyed'],
      ['without jti', () => ({ jti: undefined }), 'jti is not a string', 'keyed'],
      ['of another issuer', () => ({ iss: 'https://evil.test' }), 'iss and sub differ', undefined],
      [
        'about another client',
        () => ({ iss: 'hashed', sub: 'hashed' }),
        'does not use private_key_jwt',
        'hashed',
      ],
      [
        'of nobody',
        () => ({ iss: 'nobody', sub: 'nobody' }),
        'no client that uses private_key_jwt',
        undefined,
      ],
    ])('%s', async (_, claims, detail, client) => {
      await expectRefused(byAssertion(await assertion(claims(hubs.issuer))), detail, client)
    })

    it.each(['at+jwt', 'dpop+jwt', 'logout+jwt'])('with the type %s', async typ => {
      await expectRefused(byAssertion(await assertion({}, { typ })), 'typ is that of another kind', 'keyed')
    })

    it('that is an access token of this very service', async () => {
      const answer = await present({ authorization: basic('hashed', hashedSecret) })
      await nextEvent()
      const token = String(answer.json['access_token'])
      await expectRefused(byAssertion(token), 'iss and sub differ', undefined)
    })

    it('with the public key as an HMAC secret, or unsigned', async () => {
      const payload = (await assertion()).split('.')[1]
      const pem = createPublicKey({ key: { ...identities.keyed.jwk } as never, format: 'jwk' })
        .export({ type: 'spki', format: 'pem' })
        .toString()
      const input = `${encode(JSON.stringify({ alg: 'HS256', kid: 'keyed-1' }))}.${payload}`
      const signature = createHmac('sha256', pem).update(input).digest('base64url')
      await expectRefused(byAssertion(`${input}.${signature}`), 'its key is unknown', 'keyed')
      const none = `${encode(JSON.stringify({ alg: 'none' }))}.${payload}.AA`
      await expectRefused(byAssertion(none), 'its key is unknown', 'keyed')
    })

    it('by another key of the same name', async () => {
      const forger = await createTestIssuer({ issuer: 'keyed', kid: 'keyed-1' })
      const claims = decodeClaims(await assertion())
      await expectRefused(byAssertion(await forger.sign(claims, { typ: 'JWT' })), 'bad signature', 'keyed')
    })

    it('that was used before, here or at another replica', async () => {
      const used = await assertion()
      await expectIssued(byAssertion(used), 'keyed')
      await expectRefused(byAssertion(used), 'jti was used before', 'keyed')
      await expectRefused(byAssertion(used), 'jti was used before', 'keyed', 1)
      await expectIssued(byAssertion(await assertion()), 'keyed', 1)
    })

    it('beside the id of another client', async () => {
      const attempt = byAssertion(await assertion(), { client_id: 'hashed' })
      await expectRefused(attempt, 'client_id is not the client of the assertion', undefined)
    })

    it('under the assertion type of another kind', async () => {
      await expectRefused(bySvid(await assertion()), 'sub is no SPIFFE ID', undefined)
    })
  })

  describe('by a service account token', () => {
    const token = (changes: Record<string, unknown> = {}, account = {}) =>
      identities.cluster.sign({ ...projectedClaims(hubs.issuer, account), ...changes }, { typ: undefined })
    // Twice: the same token is presented until the kubelet replaces it.
    afterEach(async () => {
      const honest = byAssertion(await token())
      await expectIssued(honest, 'account')
      await expectIssued(honest, 'account', 1)
    })

    it('of another cluster', async () => {
      const claims = projectedClaims(hubs.issuer)
      const stranger = await identities.otherCluster.sign(claims, { typ: undefined })
      await expectRefused(byAssertion(stranger), 'iss and sub differ', undefined)
      const forged = await identities.otherCluster.sign(
        { ...claims, iss: identities.cluster.issuer },
        { typ: undefined },
      )
      await expectRefused(byAssertion(forged), 'service account token: bad signature', 'account')
    })

    it.each<[string, object]>([
      ['another namespace', { namespace: 'evil' }],
      ['another account', { name: 'billing' }],
    ])('of %s', async (_, account) => {
      await expectRefused(
        byAssertion(await token({}, account)),
        'no client that is this service account',
        undefined,
      )
    })

    it('whose parts tell of different accounts', async () => {
      const other = projectedClaims(hubs.issuer, { namespace: 'evil' })['kubernetes.io']
      await expectRefused(
        byAssertion(await token({ 'kubernetes.io': other })),
        'name different service accounts',
        'account',
      )
    })

    it.each<[string, (issuer: string) => Record<string, unknown>, string]>([
      [
        'for the API server',
        () => ({ aud: ['https://kubernetes.default.svc'] }),
        'aud is not this issuer alone',
      ],
      ['for the API server too', aud => ({ aud: [aud, 'api'] }), 'aud is not this issuer alone'],
      ['for nobody', () => ({ aud: undefined }), 'aud is not this issuer alone'],
      ['that has expired', () => ({ iat: 1, nbf: 1, exp: 1_000 }), 'expired'],
      ['that never ends', () => ({ exp: undefined }), 'exp is missing'],
      ['that lives for years', () => ({ exp: 9_999_999_999 }), 'lives longer than allowed'],
      [
        'of the old kind',
        () => ({ 'kubernetes.io': undefined }),
        'it is not bound to anything in the cluster',
      ],
    ])('%s', async (_, changes, detail) => {
      await expectRefused(byAssertion(await token(changes(hubs.issuer))), detail, 'account')
    })

    it('beside the id of another client', async () => {
      const attempt = byAssertion(await token(), { client_id: 'keyed' })
      await expectRefused(attempt, 'client_id is not the client of the assertion', undefined)
    })

    it('under the assertion type of SVIDs', async () => {
      await expectRefused(bySvid(await token()), 'sub is no SPIFFE ID', undefined)
    })
  })

  describe('by a JWT-SVID', () => {
    const id = 'spiffe://example.org/jwt'
    const svid = (changes: Record<string, unknown> = {}) =>
      identities.spire.sign({ ...svidClaims(hubs.issuer, id), ...changes }, { typ: 'JWT' })
    afterEach(async () => {
      const honest = bySvid(await svid())
      await expectIssued(honest, 'spiffe-jwt')
      await expectIssued({ form: { ...honest.form, client_id: id } }, 'spiffe-jwt', 1)
    })

    it('of another trust domain', async () => {
      const { otherSpire } = identities
      const stranger = await otherSpire.sign(svidClaims(hubs.issuer, 'spiffe://other.org/jwt'), {
        typ: 'JWT',
      })
      await expectRefused(bySvid(stranger), 'no client that has this SPIFFE ID', undefined)
    })

    it('signed by another trust domain, whatever its iss and kid say', async () => {
      const claims = { ...svidClaims(hubs.issuer, id), iss: 'spiffe://example.org' }
      const forged = await identities.otherSpire.sign(claims, { typ: 'JWT' })
      await expectRefused(bySvid(forged), 'SVID: bad signature', 'spiffe-jwt')
    })

    it.each<[string, (issuer: string) => Record<string, unknown>, string, string | undefined]>([
      ['of another workload', () => ({ sub: 'spiffe://example.org/evil' }), 'no client that has', undefined],
      [
        'of a client that has a certificate',
        () => ({ sub: 'spiffe://example.org/x509' }),
        'no client',
        undefined,
      ],
      [
        'of the trust domain itself',
        () => ({ sub: 'spiffe://example.org' }),
        'sub is no SPIFFE ID',
        undefined,
      ],
      ['for another server', () => ({ aud: ['https://evil.test'] }), 'aud is not this issuer', 'spiffe-jwt'],
      ['for another server too', aud => ({ aud: [aud, 'x'] }), 'aud is not this issuer', 'spiffe-jwt'],
      ['that has expired', () => ({ iat: 1, exp: 1_000 }), 'expired', 'spiffe-jwt'],
    ])('%s', async (_, changes, detail, client) => {
      await expectRefused(bySvid(await svid(changes(hubs.issuer))), detail, client)
    })

    it('as an assertion of the client itself', async () => {
      await expectRefused(
        byAssertion(await svid({ iss: id })),
        'no client that uses private_key_jwt',
        undefined,
      )
    })
  })

  describe('by a certificate', () => {
    const twins = [
      'by-dn',
      'by-dns',
      'by-uri',
      'by-ip',
      'by-email',
      'self-pinned',
      'self-keyed',
      'spiffe-x509',
    ]
    afterEach(async () => {
      for (const client of twins) await expectIssued(byCertificate(client, certificateOf(client)), client)
      const spiffe = byCertificate('spiffe://example.org/x509', certificateOf('spiffe-x509'))
      await expectIssued(spiffe, 'spiffe-x509', 1)
    })

    it('of another client, for each', async () => {
      for (const client of twins) {
        const other = client === 'by-dn' ? 'by-dns' : 'by-dn'
        await expectRefused(byCertificate(client, certificateOf(other)), /^certificate: /, client)
      }
    })

    it('that its holder signed, with the subject of a client', async () => {
      const forged = createCertificate('DNS:by-dns.example.org', 'by-dn')
      expect(new X509Certificate(forged.cert).subject).toBe('CN=by-dn')
      for (const client of ['by-dn', 'by-dns']) {
        await expectRefused(byCertificate(client, forged), 'not of an authority for clients', client)
      }
    })

    it('of an authority that nobody trusts, with the subject of a client', async () => {
      const stranger = createAuthority('client authority')
      const forged = stranger.issue({ commonName: 'by-dn', names: ['DNS:by-dns.example.org'] })
      for (const client of ['by-dn', 'by-dns']) {
        await expectRefused(byCertificate(client, forged), 'not of an authority for clients', client)
      }
    })

    it('of a good authority, but for servers, or over', async () => {
      const { authority } = identities
      const server = authority.issue({ commonName: 'by-dn', usage: ['serverAuth'] })
      await expectRefused(byCertificate('by-dn', server), 'not of an authority for clients', 'by-dn')
      const old = authority.issue({ commonName: 'by-dn', ...expired })
      await expectRefused(byCertificate('by-dn', old), 'certificate: expired', 'by-dn')
    })

    it('whose names only resemble those of a client', async () => {
      const { authority } = identities
      const names = ['DNS:*.example.org', 'DNS:by-dns.example.org.evil.test', 'URI:urn:example:by-uri2']
      const lookalike = authority.issue({ commonName: 'by-dn,CN=by-dn', names })
      for (const client of ['by-dn', 'by-dns', 'by-uri']) {
        await expectRefused(byCertificate(client, lookalike), 'of another subject', client)
      }
    })

    it('with the names of a client, from an authority that vouches for the SPIFFE IDs of a trust domain', async () => {
      const names = ['DNS:by-dns.example.org', 'URI:urn:example:by-uri', 'URI:spiffe://other.org/a']
      const extensions = ['authorityKeyIdentifier=keyid']
      const foreign = identities.domains['other.org'].issue({ commonName: 'by-dn', names, extensions })
      for (const client of ['by-dn', 'by-dns', 'by-uri']) {
        await expectRefused(byCertificate(client, foreign), 'not of an authority for clients', client)
      }
    })

    it('with the name of a client in another place', async () => {
      const names = ['URI:by-dns.example.org', 'DNS:urn.example.by-uri', 'email:by-dns.example.org@x.test']
      const moved = identities.authority.issue({ commonName: 'by-dns.example.org', names })
      for (const client of ['by-dns', 'by-uri', 'by-email']) {
        await expectRefused(byCertificate(client, moved), 'of another subject', client)
      }
    })

    it('with the subject of a pinned certificate, and another key', async () => {
      for (const client of ['self-pinned', 'self-keyed']) {
        const copy = createCertificate(`DNS:${client}.test`)
        await expectRefused(byCertificate(client, copy), 'not one of those that are configured', client)
      }
    })

    it('with the SPIFFE ID of a client, from the authority of another trust domain', async () => {
      const names = ['URI:spiffe://example.org/x509']
      const foreign = identities.domains['other.org'].issue({ names })
      await expectRefused(
        byCertificate('spiffe-x509', foreign),
        'not of an authority of its trust domain',
        'spiffe-x509',
      )
      const web = identities.authority.issue({ names })
      await expectRefused(
        byCertificate('spiffe-x509', web),
        'not of an authority of its trust domain',
        'spiffe-x509',
      )
    })

    it('with the authority of another trust domain in its chain, which has the same name but signed nothing', async () => {
      const names = ['URI:spiffe://example.org/x509']
      const extensions = ['authorityKeyIdentifier=none']
      const leaf = identities.domains['other.org'].issue({ names, extensions })
      const chain = { key: leaf.key, cert: leaf.cert + identities.domains['example.org'].cert }
      await expectRefused(byCertificate('spiffe-x509', chain), /^certificate: /, 'spiffe-x509')
    })

    it('with a second SPIFFE ID, of another workload, or of an authority', async () => {
      const domain = identities.domains['example.org']
      const id = 'URI:spiffe://example.org/x509'
      const issuedBy = 'authorityKeyIdentifier=keyid'
      const attempts: readonly [TestCertificate, string][] = [
        [
          domain.issue({ names: [id, 'URI:spiffe://example.org/b'], extensions: [issuedBy] }),
          'with several URIs',
        ],
        [
          domain.issue({ names: ['URI:spiffe://example.org/b'], extensions: [issuedBy] }),
          'of another SPIFFE ID',
        ],
        [
          domain.issue({ names: [id], extensions: [issuedBy, 'keyUsage=digitalSignature,keyCertSign'] }),
          'of an authority',
        ],
        [domain.issue({ names: [id], extensions: [issuedBy, 'keyUsage=keyAgreement'] }), 'may not sign'],
      ]
      for (const [certificate, detail] of attempts) {
        await expectRefused(byCertificate('spiffe-x509', certificate), detail, 'spiffe-x509')
      }
    })

    it('for a client that has another method', async () => {
      const certificate = identities.authority.issue({ commonName: 'hashed', names: ['DNS:hashed'] })
      for (const client of ['hashed', 'keyed', 'account', 'spiffe-jwt']) {
        await expectRefused(byCertificate(client, certificate), 'does not use a certificate', client)
      }
    })

    it('that is not there', async () => {
      for (const client of ['by-dn', 'self-keyed', 'spiffe-x509']) {
        await expectRefused(byCertificate(client, undefined), 'no client authentication', undefined)
      }
    })

    it('in a header, as proxies write it', async () => {
      const pem = certificateOf('by-dn')?.cert ?? ''
      const der = new X509Certificate(pem).raw.toString('base64')
      const url = `${hubs.replicas[0]?.url}/sts/token`
      const headers = {
        'client-cert': `:${der}:`,
        'x-forwarded-client-cert': `Subject="CN=by-dn";Cert="${encodeURIComponent(pem)}"`,
        'x-ssl-client-verify': 'SUCCESS',
      }
      const answer = await postForm(url, { client_id: 'by-dn' }, { ca: identities.serverCa }, headers)
      expect(answer).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
      await nextEvent()
    })
  })

  it('by anything: the answer does not say whether there is such a client', async () => {
    const wrong = await present({ authorization: basic('hashed', 'canary') })
    const unknown = await present({ authorization: basic('nobody', 'canary') })
    const certificate = await present(byCertificate('by-dn', certificateOf('by-dns')))
    const plain = ({ status, json }: FormAnswer) => ({ status, json })
    expect(plain(unknown)).toEqual(plain(wrong))
    expect(plain(certificate)).toEqual(plain(wrong))
  })
})

function hashOf({ sts }: ClientIdentities): string {
  const [client] = sts.clients
  if (client?.authentication.kind !== 'secret') throw new Error('no secret')
  return client.authentication.secrets[0]?.text.expose() ?? ''
}
