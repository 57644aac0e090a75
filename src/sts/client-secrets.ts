import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { digestFields } from '../base/digest.ts'
import { deriveKey, parseScryptHash, type ScryptCost, type ScryptHash } from '../base/scrypt-hash.ts'
import { SingleFlight } from '../base/single-flight.ts'
import { createWorkGate } from '../base/work-gate.ts'
import type { StsClient } from '../config/sidecar-config.ts'

/** `unheard`: it was not looked at, as its turn came too late. `busy`: too many others wait. */
export type SecretVerdict = 'right' | 'wrong' | 'unheard' | 'busy'

/** A secret that was presented. */
export interface PresentedSecret {
  /** The client that it is for, if there is one that may present a secret this way. */
  readonly client: StsClient | undefined
  readonly secret: string
  /** Who counts as one when many wait. */
  readonly key: string
  /** Asked when a turn has come: whether it is still worth the work. */
  readonly isHeard: () => boolean
}

/**
 * Two at a time leave half of Node's threads to files and names. Whoever sends more secrets than can be looked at is
 * told to come again; a client whose secret was right once does not have to wait.
 */
const gateLimits = { maxRunning: 2, maxWaiting: 128, maxWaitingPerKey: 8 }

/**
 * Answers whether a secret is one of a client's. Whether there is such a client, whether it has a secret and how many,
 * cannot be told from the time that a wrong one takes: as many digests are compared and as many hashes are worked out, at
 * each cost that occurs, as the client with the most of them needs.
 *
 * A right secret costs its hash once in a process. What is remembered of it is a digest under a key that exists only here.
 *
 * @param derive works a hash out
 * @throws Error that names the client, for a hash that cannot be used
 */
export function createSecretCheck(
  clients: Iterable<StsClient>,
  derive: typeof deriveKey = deriveKey,
): (presented: PresentedSecret) => Promise<SecretVerdict> {
  const known = new Map<string, KnownSecrets>()
  for (const client of clients) {
    const secrets = readSecrets(client)
    if (secrets !== undefined) known.set(client.id, secrets)
  }
  const digestCount = Math.max(1, ...[...known.values()].map(({ digests }) => digests.length))
  const costs = mostOfEachCost([...known.values()].map(({ hashes }) => hashes))
  const nobody = { digests: [], hashes: [] }
  const nothing = randomBytes(32)
  const memoryKey = randomBytes(32)
  const remembered = new Map<string, Set<string>>()
  const gate = createWorkGate(gateLimits)
  const flights = new SingleFlight<SecretVerdict>()

  const isPlain = (digests: readonly Buffer[], secret: string): boolean => {
    const presented = digest(secret)
    let isRight = false
    for (let i = 0; i < digestCount; i++) {
      const expected = digests[i]
      const isEqual = timingSafeEqual(presented, expected ?? nothing)
      isRight ||= isEqual && expected !== undefined
    }
    return isRight
  }
  const isHashed = async (hashes: readonly ScryptHash[], secret: string): Promise<boolean> => {
    let isRight = false
    for (const { cost, count } of costs) {
      const own = hashes.filter(hash => isSameCost(hash.cost, cost))
      for (let i = 0; i < count; i++) {
        const expected = own[i]
        const key = await derive(secret, expected?.salt ?? nothing, cost)
        const isEqual = timingSafeEqual(key, expected?.key ?? Buffer.alloc(cost.keyBytes))
        isRight ||= isEqual && expected !== undefined
      }
    }
    return isRight
  }

  return async ({ client, secret, key, isHeard }) => {
    const { digests, hashes } = (client && known.get(client.id)) ?? nobody
    const isFirst = isPlain(digests, secret)
    if (secret === '') return 'wrong'
    if (isFirst) return 'right'
    if (costs.length === 0) return 'wrong'
    const fields = digestFields('hopgate client secret', [client?.id, secret])
    const mark = createHmac('sha256', memoryKey).update(fields).digest('base64')
    if (client !== undefined && remembered.get(client.id)?.has(mark) === true) return 'right'
    const { result } = flights.do(`${mark}${key}`, async () => {
      const isRight = await gate.run(key, async () =>
        isHeard() ? await isHashed(hashes, secret) : ('unheard' as const),
      )
      if (isRight === 'full') return 'busy'
      if (isRight === 'unheard') return 'unheard'
      if (isRight && client !== undefined) remember(remembered, client.id, mark)
      return isRight ? 'right' : 'wrong'
    })
    return result
  }
}

interface KnownSecrets {
  readonly digests: readonly Buffer[]
  readonly hashes: readonly ScryptHash[]
}

function readSecrets({ id, authentication }: StsClient): KnownSecrets | undefined {
  if (authentication.kind !== 'secret') return undefined
  const digests: Buffer[] = []
  const hashes: ScryptHash[] = []
  for (const { kind, text } of authentication.secrets) {
    if (kind === 'plain') {
      digests.push(digest(text.expose()))
      continue
    }
    const hash = parseScryptHash(text.expose())
    if (!hash.ok) throw new Error(`client ${JSON.stringify(id)}: a secret_hash ${hash.error}`)
    hashes.push(hash.value)
  }
  return { digests, hashes }
}

/** Each cost that occurs, with how many hashes at it the client with the most of them has. */
function mostOfEachCost(
  lists: readonly (readonly ScryptHash[])[],
): readonly { readonly cost: ScryptCost; readonly count: number }[] {
  const costs: { cost: ScryptCost; count: number }[] = []
  for (const hashes of lists) {
    for (const { cost } of hashes) {
      const count = hashes.filter(hash => isSameCost(hash.cost, cost)).length
      const found = costs.find(one => isSameCost(one.cost, cost))
      if (found === undefined) costs.push({ cost, count })
      else found.count = Math.max(found.count, count)
    }
  }
  return costs
}

function isSameCost(a: ScryptCost, b: ScryptCost): boolean {
  return (
    a.logN === b.logN &&
    a.blockSize === b.blockSize &&
    a.parallelism === b.parallelism &&
    a.keyBytes === b.keyBytes
  )
}

/** No more are remembered than the client has hashes, as no others are right. */
function remember(all: Map<string, Set<string>>, clientId: string, mark: string): void {
  const marks = all.get(clientId) ?? new Set()
  all.set(clientId, marks.add(mark))
}

function digest(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}
