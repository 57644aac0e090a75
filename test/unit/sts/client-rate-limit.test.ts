import { describe, expect, it } from 'vitest'
import { channels } from '../../../src/base/channels.ts'
import { fail, ok } from '../../../src/base/result.ts'
import { Secret } from '../../../src/base/secret.ts'
import type { RateLimit, StsClient } from '../../../src/config/sidecar-config.ts'
import type { ClientAuthenticationRequest } from '../../../src/sts/client-authentication.ts'
import { limitClients } from '../../../src/sts/client-rate-limit.ts'
import { tokenError } from '../../../src/sts/token-error.ts'

function client(id: string, rateLimit?: RateLimit): StsClient {
  return {
    id,
    authentication: {
      kind: 'secret',
      secrets: [{ kind: 'plain', text: new Secret('s') }],
      methods: ['client_secret_basic'],
    },
    accepts: [],
    audiences: new Map(),
    rateLimit,
  }
}

/** Asks as one of the clients; every client is who it says. */
function limited(...clients: StsClient[]) {
  const authenticate = limitClients(async ({ peer }) => {
    const found = clients.find(({ id }) => id === peer)
    if (found !== undefined) return ok(found)
    return fail({ error: tokenError('invalid_client', 'no'), claimedClient: undefined })
  }, clients)
  return async (id: string, now: number) => {
    const answer = await authenticate({ peer: id, now } as ClientAuthenticationRequest)
    return answer.ok ? 'ok' : (answer.error.error.retryAfterSeconds ?? answer.error.error.code)
  }
}

describe('the rate limit of a client', () => {
  it('lets so many requests pass at once, and as many again in each period, one by one', async () => {
    const ask = limited(client('a', { requests: 4, perSeconds: 8 }))
    for (let count = 0; count < 4; count++) expect(await ask('a', 1_000)).toBe('ok')
    expect(await ask('a', 1_000)).toBe(2)
    expect(await ask('a', 1_001)).toBe(1)
    expect(await ask('a', 1_002)).toBe('ok')
    expect(await ask('a', 1_002)).toBe(2)
    for (let count = 0; count < 4; count++) expect(await ask('a', 1_010)).toBe('ok')
    expect(await ask('a', 1_010)).toBe(2)
  })

  it('saves up no more than one period', async () => {
    const ask = limited(client('a', { requests: 2, perSeconds: 1 }))
    expect(await ask('a', 1_000)).toBe('ok')
    for (let count = 0; count < 2; count++) expect(await ask('a', 9_000)).toBe('ok')
    expect(await ask('a', 9_000)).toBe(1)
  })

  it('does not move away for who keeps asking', async () => {
    const ask = limited(client('a', { requests: 1, perSeconds: 10 }))
    expect(await ask('a', 1_000)).toBe('ok')
    for (let second = 1; second < 10; second++) expect(await ask('a', 1_000 + second)).toBe(10 - second)
    expect(await ask('a', 1_010)).toBe('ok')
  })

  it('is of one client only, and none where none is set', async () => {
    const ask = limited(
      client('a', { requests: 1, perSeconds: 60 }),
      client('b', { requests: 1, perSeconds: 60 }),
      client('c'),
    )
    expect(await ask('a', 1_000)).toBe('ok')
    expect(await ask('a', 1_000)).toBe(60)
    expect(await ask('b', 1_000)).toBe('ok')
    for (let count = 0; count < 100; count++) expect(await ask('c', 1_000)).toBe('ok')
  })

  it('is not used up by who fails to authenticate', async () => {
    const ask = limited(client('a', { requests: 1, perSeconds: 60 }))
    for (let count = 0; count < 100; count++) expect(await ask('stranger', 1_000)).toBe('invalid_client')
    expect(await ask('a', 1_000)).toBe('ok')
  })

  it('shuts nobody out when the clock is set back', async () => {
    const ask = limited(client('a', { requests: 1, perSeconds: 10 }))
    expect(await ask('a', 1_000)).toBe('ok')
    expect(await ask('a', 500)).toBe(10)
    expect(await ask('a', 510)).toBe('ok')
  })

  it('announces each request that it refuses', async () => {
    const announced: unknown[] = []
    const listen = (message: unknown): void => {
      announced.push(message)
    }
    channels.clientLimited.subscribe(listen)
    try {
      const ask = limited(client('a', { requests: 1, perSeconds: 10 }))
      await ask('a', 1_000)
      await ask('a', 1_000)
    } finally {
      channels.clientLimited.unsubscribe(listen)
    }
    expect(announced).toEqual([{ client: 'a' }])
  })
})
