import { describe, expect, it } from 'vitest'
import { channels } from '../../../src/base/channels.ts'
import { HttpClientError, type HttpFailure } from '../../../src/base/http-client.ts'
import { ClientAuthenticationError } from '../../../src/tokens/client-authentication.ts'
import { createTokenEndpoint, type TokenRequest } from '../../../src/tokens/token-endpoint.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../support/fake-http-client.ts'

const clock = createFakeClock()
const url = new URL('https://hub.test/token')
const good = {
  access_token: 'a.b.c',
  token_type: 'Bearer',
  issued_token_type: 'urn:x',
  expires_in: 60,
  scope: 'a b',
}

async function ask(answer: FakeAnswer, about: Partial<TokenRequest> = {}) {
  const client = createFakeHttpClient(() => answer)
  const endpoint = createTokenEndpoint({
    client,
    clock,
    authenticate: (_form, headers) => {
      headers['authorization'] = 'Basic x'
    },
  })
  const result = await endpoint({
    server: { issuer: 'https://hub.test', tokenEndpoint: url },
    parameters: { grant_type: 'g', scope: 'a b', resource: undefined, audience: 'x&client_id=evil\r\n+é' },
    timeoutMs: 1234,
    signal: new AbortController().signal,
    ...about,
  })
  return { result, request: client.requests[0] }
}
const answerOf = (body: unknown, status = 200, headers: Record<string, string> = {}) => ({
  status,
  headers: new Map(Object.entries(headers)),
  body: typeof body === 'string' ? body : JSON.stringify(body),
})
const errorOf = async (answer: FakeAnswer) => {
  const { result } = await ask(answer)
  return result.ok ? undefined : result.error
}

describe('what a server writes of what it was sent', () => {
  it.each(['subject_token', 'actor_token', 'client_secret', 'client_assertion'])(
    'is no part of a refusal: %s',
    async name => {
      const sent = 'opaque+token/of~a-caller.1'
      const description = `cannot use ${sent.slice(0, 20)}`
      const answer = answerOf({ error: 'invalid_request', error_description: description }, 400)
      const { result } = await ask(answer, { parameters: { grant_type: 'g', [name]: sent } })
      expect(result).toMatchObject({ ok: false, error: { code: 'exchange.subject_rejected' } })
      expect(JSON.stringify(result)).not.toContain(sent.slice(0, 12))
      const { result: other } = await ask(answer, { parameters: { grant_type: 'g' } })
      expect(JSON.stringify(other)).toContain(description)
    },
  )
})

describe('a token request', () => {
  it('is one form over POST, with what was given and nothing that it smuggles (attack F21)', async () => {
    const { request } = await ask(answerOf(good))
    expect(request?.method).toBe('POST')
    expect(request?.url).toBe(url)
    expect(request?.timeoutMs).toBe(1234)
    expect(request?.maxBytes).toBe(256 * 1024)
    expect(request?.headers).toEqual({
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      authorization: 'Basic x',
    })
    expect(request?.body).toBe('grant_type=g&scope=a+b&audience=x%26client_id%3Devil%0D%0A%2B%C3%A9')
  })

  it('is not sent when our own credentials cannot be had', async () => {
    const client = createFakeHttpClient(() => answerOf(good))
    const endpoint = createTokenEndpoint({
      client,
      clock,
      authenticate: () => {
        throw new ClientAuthenticationError('client key k: ENOENT')
      },
    })
    const server = { issuer: 'https://hub.test', tokenEndpoint: url }
    const result = await endpoint({
      server,
      parameters: {},
      timeoutMs: 1,
      signal: new AbortController().signal,
    })
    expect(result).toEqual({
      ok: false,
      error: { code: 'exchange.client_rejected', detail: 'client key k: ENOENT' },
    })
    expect(client.requests).toEqual([])
  })
})

describe('an answer with status 200', () => {
  it('is taken apart, and a refresh token left behind', async () => {
    const { result } = await ask(answerOf({ ...good, refresh_token: 'canary', id_token: 'canary' }))
    expect(result.ok && { ...result.value, token: result.value.token.expose() }).toEqual({
      token: 'a.b.c',
      tokenType: 'Bearer',
      issuedTokenType: 'urn:x',
      scope: 'a b',
      expiresIn: 60,
    })
  })

  it.each<[string, unknown]>([
    ['HTML', '<html>'],
    ['nothing', ''],
    ['a list', []],
    ['a byte order mark', `\ufeff${JSON.stringify(good)}`],
    ['half an object', JSON.stringify(good).slice(0, -1)],
    ['a member twice (attack F15)', JSON.stringify(good).replace('{', '{"access_token":"x.y.z",')],
    ['an error', { ...good, error: 'invalid_grant' }],
    ['no token', { ...good, access_token: undefined }],
    ['an empty token', { ...good, access_token: '' }],
    ['a token that is no text', { ...good, access_token: 7 }],
    ['no token type', { ...good, token_type: undefined }],
    ['an issued type that is no text', { ...good, issued_token_type: [] }],
    ['a scope list', { ...good, scope: ['a'] }],
  ])('is malformed when it is or has %s', async (_what, body) => {
    expect(await errorOf(answerOf(body))).toMatchObject({ code: 'exchange.malformed' })
  })
})

describe('an error answer', () => {
  it.each([
    [400, 'invalid_request', 'exchange.subject_rejected'],
    [400, 'invalid_grant', 'exchange.subject_rejected'],
    [400, 'invalid_target', 'exchange.denied'],
    [400, 'invalid_scope', 'exchange.denied'],
    [400, 'unauthorized_client', 'exchange.denied'],
    [403, 'access_denied', 'exchange.denied'],
    [401, 'invalid_client', 'exchange.client_rejected'],
    [401, 'unauthorized_client', 'exchange.client_rejected'],
    [401, 'who_knows', 'exchange.client_rejected'],
    [400, 'invalid_client', 'exchange.client_rejected'],
    [400, 'interaction_required', 'exchange.interaction_required'],
    [400, 'consent_required', 'exchange.interaction_required'],
    [400, 'unsupported_grant_type', 'exchange.malformed'],
    [400, 'constructor', 'exchange.malformed'],
    [400, 'temporarily_unavailable', 'exchange.unavailable'],
    [429, 'invalid_grant', 'exchange.unavailable'],
    [500, 'invalid_grant', 'exchange.unavailable'],
    [503, '', 'exchange.unavailable'],
    [204, '', 'exchange.malformed'],
    [301, 'invalid_grant', 'exchange.malformed'],
    [307, '', 'exchange.malformed'],
  ])('with status %i and error %j is %s', async (status, error, code) => {
    expect(await errorOf(answerOf({ error }, status))).toMatchObject({ code })
  })

  it.each([
    ['Audience not found', 'invalid_client'],
    ['Requested audience not available: billing', 'invalid_request'],
  ])('that says %j is about the target, whatever its code (attack F19)', async (description, error) => {
    const answer = answerOf({ error, error_description: description }, 400)
    expect(await errorOf(answer)).toMatchObject({ code: 'exchange.denied' })
  })

  it.each([401, 500])('with status %i is not talked into being about the target', async status => {
    const answer = answerOf({ error: 'invalid_client', error_description: 'Audience not found' }, status)
    expect((await errorOf(answer))?.code).not.toBe('exchange.denied')
  })

  it.each(['<html>', '[]', '', '{"error":{"a":1}}', '{"error":"a","error":"invalid_grant"}'])(
    'that is %j is malformed',
    async body => {
      expect(await errorOf(answerOf(body, 400))).toMatchObject({ code: 'exchange.malformed' })
    },
  )

  it('goes into the detail cut and on one line of plain characters, without tokens (attack F18)', async () => {
    const description = `<script>\r\n\u001b[2J"${'x'.repeat(30)} é`
    const detail = (await errorOf(answerOf({ error: 'invalid_target', error_description: description }, 400)))
      ?.detail
    expect(detail).toMatch(/^[\x20-\x7e]+$/)
    expect(detail).toContain('status 400, error "invalid_target"')
    const echoed = await errorOf(
      answerOf({ error: 'invalid_grant', error_description: `bad eyJhbGciOi.${'y'.repeat(5000)}` }, 400),
    )
    expect(echoed?.detail).not.toContain('eyJ')
    expect(echoed?.detail.length).toBeLessThan(300)
  })

  it.each([
    ['30', 30],
    ['0', 1],
    ['99999999', 60],
    ['soon', undefined],
    ['-5', undefined],
    ['1e3', undefined],
    ['1, 2', undefined],
    [new Date((clock.now() + 20) * 1000).toUTCString(), 20],
    [new Date((clock.now() - 900) * 1000).toUTCString(), 1],
    [new Date((clock.now() + 90_000) * 1000).toUTCString(), 60],
    ['Tomorrow, 01 Jan 2030 00:00:00 GMT', undefined],
    ['Xxx, 99 Xxx 2030 99:99:99 GMT', undefined],
  ])('with Retry-After %j asks to wait %s seconds (attack F16)', async (value, seconds) => {
    expect((await errorOf(answerOf('', 429, { 'retry-after': value })))?.retryAfterSeconds).toBe(seconds)
  })
})

describe('no answer', () => {
  it.each<[HttpFailure, string]>([
    ['timeout', 'exchange.unavailable'],
    ['aborted', 'exchange.unavailable'],
    ['unreachable', 'exchange.unavailable'],
    ['too_large', 'exchange.malformed'],
    ['encoded', 'exchange.malformed'],
  ])('because of %s is %s', async (failure, code) => {
    expect(await errorOf(new HttpClientError(failure, url, 'reason'))).toEqual({
      code,
      detail: 'https://hub.test: reason',
    })
  })

  it('because of a bug is an exception', async () => {
    await expect(ask(new TypeError('bug'))).rejects.toThrow('bug')
  })
})

it('announces how each call ended', async () => {
  const outcomes: unknown[] = []
  const listener = (message: unknown) => outcomes.push((message as { outcome: string }).outcome)
  channels.tokenEndpoint.subscribe(listener)
  await ask(answerOf(good))
  await ask(answerOf({ error: 'invalid_target' }, 400))
  await ask(answerOf('<html>'))
  await ask(answerOf('', 503))
  channels.tokenEndpoint.unsubscribe(listener)
  expect(outcomes).toEqual(['ok', 'rejected', 'malformed', 'unavailable'])
})
