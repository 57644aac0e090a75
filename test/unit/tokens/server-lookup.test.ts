import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { HttpClientError } from '../../../src/base/http-client.ts'
import { createLog } from '../../../src/base/log.ts'
import { ServerLookup } from '../../../src/tokens/server-lookup.ts'
import { readTokenServer } from '../../../src/tokens/server-metadata.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { createFakeHttpClient, type FakeAnswer } from '../../support/fake-http-client.ts'

const server = 'https://hub.test'
const documentOf = (path: string) => ({
  body: JSON.stringify({ issuer: server, token_endpoint: `${server}${path}`, jwks_uri: `${server}/jwks` }),
})
const down = new HttpClientError('unreachable', new URL(server), 'ECONNREFUSED')

function start(first: FakeAnswer | Promise<FakeAnswer>) {
  const clock = createFakeClock()
  const lines: string[] = []
  const state = { answer: first }
  const client = createFakeHttpClient(() => state.answer)
  const log = createLog('test', line => lines.push(line))
  const lookup = new ServerLookup({
    server,
    read: readTokenServer,
    client,
    plaintext: false,
    timeoutMs: 1000,
    clock,
    log,
  })
  const find = async (signal = AbortSignal.timeout(1000)) => {
    const found = await lookup.find(signal)
    return found.ok ? found.value.tokenEndpoint.pathname : `failed: ${found.error}`
  }
  return { clock, client, lookup, find, lines, state }
}

describe('ServerLookup', () => {
  it('fetches once for all who ask, and then answers at once', async () => {
    const { client, lookup, find } = start(documentOf('/token'))
    expect(await Promise.all([find(), find(), find()])).toEqual(['/token', '/token', '/token'])
    expect(client.requests.length).toBe(1)
    expect(lookup.find(AbortSignal.timeout(1))).toMatchObject({ ok: true })
  })

  it('fetches again after ten minutes, in the background', async () => {
    const { clock, client, find, state } = start(documentOf('/old'))
    await find()
    state.answer = documentOf('/new')
    clock.advanceMs(599_999)
    await find()
    await turn()
    expect(client.requests.length).toBe(1)
    clock.advanceMs(1)
    expect(await find()).toBe('/old')
    await turn()
    expect(await find()).toBe('/new')
    expect(client.requests.length).toBe(2)
  })

  it('goes on with the last good one while the server is away, and does not ask all the time', async () => {
    const { clock, client, find, state, lines } = start(documentOf('/token'))
    await find()
    state.answer = down
    clock.advanceMs(600_000)
    for (let index = 0; index < 20; index++) {
      expect(await find()).toBe('/token')
      await turn()
    }
    // Two well-known addresses, once.
    expect(client.requests.length).toBe(3)
    expect(lines.join()).toContain('the last good goes on')
    clock.advanceMs(30_000)
    state.answer = documentOf('/new')
    await find()
    await turn()
    expect(await find()).toBe('/new')
  })

  it('never takes the metadata of another issuer in the place of the last good', async () => {
    const { clock, find, state } = start(documentOf('/token'))
    await find()
    state.answer = { body: documentOf('/evil').body.replace('"https://hub.test"', '"https://evil.test"') }
    clock.advanceMs(600_000)
    await find()
    await turn()
    expect(await find()).toBe('/token')
  })

  it('says why there is none, and tries again when asked again', async () => {
    const { find, state } = start(down)
    expect(await find()).toContain('ECONNREFUSED')
    state.answer = documentOf('/token')
    expect(await find()).toBe('/token')
  })

  it('lets a caller go whose time is over, and goes on for the others', async () => {
    const late = Promise.withResolvers<FakeAnswer>()
    const { find } = start(late.promise)
    const gone = new AbortController()
    const [leaver, stayer] = [find(gone.signal), find()]
    gone.abort()
    expect(await leaver).toContain('no metadata in time')
    late.resolve(documentOf('/token'))
    expect(await stayer).toBe('/token')
  })
})
