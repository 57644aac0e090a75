import type { EpochSeconds } from '../base/clock.ts'
import type { SigningKey, SigningKeys } from './signing-keys.ts'

/**
 * What a key is at one time: `next` is published and does not sign yet, `current` signs, `retiring` does not sign any
 * more and is published until the last token that it signed has ended, `ended` is nothing but a line in the file.
 */
export type KeyState = 'next' | 'current' | 'retiring' | 'ended'

/** What all keys of a file are at one time. It follows from the file alone, so that every reader finds the same. */
export interface KeySchedule {
  readonly current: SigningKey
  /** The keys to publish: the current one, then the others in the order of the file. */
  readonly published: SigningKeys
  /** All of it is as it is from this time on, and before {@link until}. */
  readonly from: EpochSeconds
  readonly until: EpochSeconds
}

/**
 * Says what the keys are. The signer is the one whose time to sign has come last, of several the first in the file. A
 * clock may be a little behind the one of whoever made the file, so that nobody's time has come: then it is the first.
 */
export function scheduleKeys(keys: SigningKeys, now: EpochSeconds): KeySchedule {
  const current = signerOf(keys, now)
  const published = keys.filter(key => key !== current && !isEnded(key, now))
  const times = keys.flatMap(key => [startOf(key), endOf(key)])
  return {
    current,
    published: [current, ...published],
    from: Math.max(...times.filter(time => time <= now), Number.NEGATIVE_INFINITY),
    until: Math.min(...times.filter(time => time > now), Number.POSITIVE_INFINITY),
  }
}

/** What one of the keys is. */
export function stateOf(key: SigningKey, keys: SigningKeys, now: EpochSeconds): KeyState {
  if (key === signerOf(keys, now)) return 'current'
  if (isEnded(key, now)) return 'ended'
  return startOf(key) > now ? 'next' : 'retiring'
}

/** When a key may sign, for comparisons: a key without that time always could. */
export function startOf({ signsFrom }: SigningKey): EpochSeconds {
  return signsFrom ?? Number.NEGATIVE_INFINITY
}

/** When a key is published no longer, for comparisons. */
export function endOf({ publishedUntil }: SigningKey): EpochSeconds {
  return publishedUntil ?? Number.POSITIVE_INFINITY
}

function isEnded(key: SigningKey, now: EpochSeconds): boolean {
  return endOf(key) <= now
}

function signerOf(keys: SigningKeys, now: EpochSeconds): SigningKey {
  const started = keys.filter(key => startOf(key) <= now)
  const [first, ...others] = started.length > 0 ? started : keys
  if (first === undefined) throw new Error('there is no signing key')
  const isBetter =
    started.length > 0
      ? (one: SigningKey, other: SigningKey) => startOf(one) > startOf(other)
      : (one: SigningKey, other: SigningKey) => startOf(one) < startOf(other)
  return others.reduce((best, key) => (isBetter(key, best) ? key : best), first)
}
