import { sign } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { type Clock, type EpochSeconds, systemClock } from '../base/clock.ts'
import { digestFields } from '../base/digest.ts'
import { signatureAlgorithms } from '../tokens/signature-algorithm.ts'
import { type KeySchedule, scheduleKeys } from './key-schedule.ts'
import type { PublicSigningJwk, SigningKey, SigningKeys } from './signing-keys.ts'

/** Signs the tokens that the service issues. */
export interface Signer {
  /**
   * Makes a compact JWS (RFC 7515 §3.1) with the key whose time it is.
   *
   * @param type the `typ` header value, such as `at+jwt`
   */
  sign(claims: Readonly<Record<string, unknown>>, type: string): string
  /**
   * The keys that verify what was signed and what will be signed next, without private members, the current one first.
   * The same array for as long as they are the same.
   */
  publicKeys(): readonly PublicSigningJwk[]
  /** What is signed now must have ended by then, because its key is published no longer. */
  latestExpiry(): EpochSeconds
  /**
   * Names the keys that there are, whatever they are at the moment: another text when one came or went. What was made
   * under another name may be signed by a key that is good no longer.
   */
  keySetId(): string
}

/** A signer whose keys can become others while it signs. */
export interface ReplaceableSigner extends Signer {
  keys(): SigningKeys
  replace(keys: SigningKeys): void
}

/** Clocks of verifiers, and of replicas among themselves, may differ by this much. */
export const clockLeewaySeconds = 60

/**
 * A signer with keys in this process. It signs with `node:crypto` at once: for the elliptic curves a hand-over to the
 * thread pool costs more than the signature.
 */
export function createSigner(keys: SigningKeys, clock: Clock = systemClock): ReplaceableSigner {
  return new KeySigner(keys, clock)
}

class KeySigner implements ReplaceableSigner {
  readonly #clock: Clock
  #keys: SigningKeys
  #schedule: KeySchedule
  #publicKeys: readonly PublicSigningJwk[]
  #keySetId: string
  readonly #headers = new WeakMap<SigningKey, Map<string, string>>()

  constructor(keys: SigningKeys, clock: Clock) {
    this.#clock = clock
    this.#keys = keys
    this.#keySetId = nameKeys(keys)
    this.#schedule = scheduleKeys(keys, clock.now())
    this.#publicKeys = publicHalves(this.#schedule)
  }

  sign(claims: Readonly<Record<string, unknown>>, type: string): string {
    const { current } = this.#now()
    const { hash, options } = signatureAlgorithms[current.publicJwk.alg]
    const input = `${this.#headerOf(current, type)}.${encode(claims)}`
    const signature = sign(hash, Buffer.from(input, 'ascii'), { key: current.privateKey, ...options })
    return `${input}.${signature.toString('base64url')}`
  }

  publicKeys(): readonly PublicSigningJwk[] {
    this.#now()
    return this.#publicKeys
  }

  latestExpiry(): EpochSeconds {
    const { publishedUntil } = this.#now().current
    return publishedUntil === undefined ? Number.POSITIVE_INFINITY : publishedUntil - clockLeewaySeconds
  }

  keySetId(): string {
    return this.#keySetId
  }

  keys(): SigningKeys {
    return this.#keys
  }

  replace(keys: SigningKeys): void {
    this.#keys = keys
    this.#keySetId = nameKeys(keys)
    this.#reschedule(this.#clock.now())
  }

  #now(): KeySchedule {
    const now = this.#clock.now()
    if (now < this.#schedule.from || now >= this.#schedule.until) this.#reschedule(now)
    return this.#schedule
  }

  #reschedule(now: EpochSeconds): void {
    this.#schedule = scheduleKeys(this.#keys, now)
    const publicKeys = publicHalves(this.#schedule)
    if (!isDeepStrictEqual(publicKeys, this.#publicKeys)) this.#publicKeys = publicKeys
  }

  #headerOf(key: SigningKey, type: string): string {
    const headers = this.#headers.get(key) ?? new Map<string, string>()
    this.#headers.set(key, headers)
    let header = headers.get(type)
    if (header === undefined) {
      const { alg, kid } = key.publicJwk
      header = encode({ alg, kid, typ: type })
      headers.set(type, header)
    }
    return header
  }
}

function publicHalves({ published }: KeySchedule): readonly PublicSigningJwk[] {
  return Object.freeze(published.map(key => key.publicJwk))
}

function nameKeys(keys: SigningKeys): string {
  const kids = keys.map(key => key.publicJwk.kid).sort()
  return digestFields('hopgate signing keys', kids).toString('base64url')
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}
