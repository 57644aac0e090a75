import { describe, expect, it } from 'vitest'
import { deriveKey, formatScryptHash, hashSecret } from '../../../src/base/scrypt-hash.ts'
import { Secret } from '../../../src/base/secret.ts'
import type { StsClient, StsClientSecret } from '../../../src/config/sidecar-config.ts'
import { createSecretCheck, type SecretVerdict } from '../../../src/sts/client-secrets.ts'
import { secretAuthentication } from '../../support/token-service.ts'

/** The least that is accepted: some 15 ms. */
const cheap = { logN: 14, blockSize: 8, parallelism: 1, keyBytes: 32 }

function client(id: string, secrets: readonly StsClientSecret[]): StsClient {
  const authentication = { ...secretAuthentication(''), secrets } as StsClient['authentication']
  return { id, authentication, accepts: [], audiences: new Map() }
}

function plain(text: string): StsClientSecret {
  return { kind: 'plain', text: new Secret(text) }
}

async function hashed(text: string, cost = cheap): Promise<StsClientSecret> {
  return { kind: 'scrypt', text: new Secret(formatScryptHash(await hashSecret(text, cost))) }
}

function checkOf(clients: readonly StsClient[]) {
  let hashCount = 0
  const check = createSecretCheck(clients, (...work) => {
    hashCount++
    return deriveKey(...work)
  })
  const verdictOf = (
    presented: StsClient | undefined,
    secret: string,
    isHeard = () => true,
  ): Promise<SecretVerdict> =>
    check({ client: presented, secret, key: `${presented?.id} from one peer`, isHeard })
  /** How many hashes are worked out meanwhile. */
  const countHashes = async (work: () => Promise<unknown>): Promise<number> => {
    const before = hashCount
    await work()
    return hashCount - before
  }
  return { verdictOf, countHashes }
}

const keyed: StsClient = {
  ...client('keyed', []),
  authentication: { kind: 'private_key_jwt', jwks: { keys: [] } },
}

describe('a secret that is kept as itself', () => {
  const orders = client('orders', [plain('sesame')])
  const careless = client('careless', [plain('')])
  const { verdictOf, countHashes } = checkOf([orders, client('billing', [plain('other')]), careless, keyed])

  it('is accepted', async () => {
    expect(await verdictOf(orders, 'sesame')).toBe('right')
  })

  it.each(['', 'sesam', 'sesame ', 'Sesame', 'other'])('is not %j', async secret => {
    expect(await verdictOf(orders, secret)).toBe('wrong')
  })

  it('is nobody else’s, least of all that of a client without one', async () => {
    expect(await verdictOf(keyed, '')).toBe('wrong')
    expect(await verdictOf(undefined, 'sesame')).toBe('wrong')
  })

  it('is not empty, even where an empty one is configured', async () => {
    expect(await verdictOf(careless, '')).toBe('wrong')
  })

  it('costs no hash where nobody has one', async () => {
    expect(await countHashes(() => verdictOf(orders, 'wrong'))).toBe(0)
  })

  it('may be one of two', async () => {
    const rotating = client('rotating', [plain('old'), plain('new')])
    const { verdictOf: check } = checkOf([rotating, orders])
    expect(await check(rotating, 'old')).toBe('right')
    expect(await check(rotating, 'new')).toBe('right')
    expect(await check(rotating, 'sesame')).toBe('wrong')
    expect(await check(orders, 'new')).toBe('wrong')
  })
})

describe('a secret that is kept as its hash', () => {
  it('is accepted, and no other is', async () => {
    const orders = client('orders', [await hashed('sesame')])
    const { verdictOf } = checkOf([orders])
    expect(await verdictOf(orders, 'sesame')).toBe('right')
    for (const secret of ['', 'sesam', 'sesame ', 'Sesame']) {
      expect(await verdictOf(orders, secret)).toBe('wrong')
    }
    expect(await verdictOf(undefined, 'sesame')).toBe('wrong')
  })

  it('may stand beside the one that it replaces', async () => {
    const orders = client('orders', [plain('old'), await hashed('new')])
    const { verdictOf } = checkOf([orders])
    expect(await verdictOf(orders, 'old')).toBe('right')
    expect(await verdictOf(orders, 'new')).toBe('right')
  })

  it('costs its hash once, however often and however concurrently it comes', async () => {
    const orders = client('orders', [await hashed('sesame')])
    const { verdictOf, countHashes } = checkOf([orders])
    const burst = () => Promise.all(Array.from({ length: 50 }, () => verdictOf(orders, 'sesame')))
    expect(await countHashes(burst)).toBe(1)
    expect(await countHashes(burst)).toBe(0)
  })

  it('is not remembered for another client, nor when it was wrong', async () => {
    const [orders, billing] = [client('orders', [await hashed('a')]), client('billing', [await hashed('b')])]
    const { verdictOf, countHashes } = checkOf([orders, billing])
    await verdictOf(orders, 'a')
    expect(await verdictOf(billing, 'a')).toBe('wrong')
    expect(await countHashes(() => verdictOf(billing, 'a'))).toBe(1)
  })

  it('costs as much for nobody as for the client with the most hashes, at each cost that occurs', async () => {
    const dearer = { ...cheap, parallelism: 2 }
    const clients = [
      client('one', [await hashed('a')]),
      client('two', [await hashed('b'), await hashed('c')]),
      client('dear', [await hashed('d', dearer)]),
      client('plain', [plain('e')]),
      keyed,
    ]
    const { verdictOf, countHashes } = checkOf(clients)
    for (const presented of [...clients, undefined]) {
      expect(await countHashes(() => verdictOf(presented, 'wrong'))).toBe(3)
    }
  })

  it('is not looked at when its client is not heard any more', async () => {
    const orders = client('orders', [await hashed('sesame')])
    const { verdictOf, countHashes } = checkOf([orders])
    expect(await countHashes(() => verdictOf(orders, 'wrong', () => false))).toBe(0)
    expect(await verdictOf(orders, 'wrong', () => false)).toBe('unheard')
  })

  it('lets ten be waited for by one client from one peer, and others come through', async () => {
    const [orders, billing] = [client('orders', [await hashed('a')]), client('billing', [await hashed('b')])]
    const { verdictOf } = checkOf([orders, billing])
    const flood = Array.from({ length: 30 }, (_, i) => verdictOf(orders, `wrong ${i}`))
    const other = verdictOf(billing, 'b')
    const verdicts = await Promise.all(flood)
    expect(verdicts.filter(verdict => verdict === 'wrong')).toHaveLength(10)
    expect(verdicts.filter(verdict => verdict === 'busy')).toHaveLength(20)
    expect(await other).toBe('right')
  })

  it('is refused at the start when it is no hash', () => {
    const broken = client('orders', [{ kind: 'scrypt', text: new Secret('sesame') }])
    expect(() => createSecretCheck([broken])).toThrow(
      'client "orders": a secret_hash is no PHC string of scrypt',
    )
  })
})
