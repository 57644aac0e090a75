import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Rotation,
  type RotationTerms,
  retireCompromisedKey,
  retireKey,
  rotateKeys,
  rotateKeysNow,
} from '../../../src/sts/key-rotation.ts'
import { scheduleKeys, stateOf } from '../../../src/sts/key-schedule.ts'
import { generateSigningKey, type SigningKey, type SigningKeys } from '../../../src/sts/signing-keys.ts'

const start = 1_800_000_000
const terms = (now: number, about: Partial<RotationTerms> = {}): RotationTerms => ({
  now,
  algorithm: 'ES256',
  maxTtlSeconds: 300,
  spreadSeconds: 120,
  ...about,
})

const kids = (keys: readonly SigningKey[]): string[] => keys.map(({ publicJwk }) => publicJwk.kid)
const signerAt = (keys: SigningKeys, now: number): string => scheduleKeys(keys, now).current.publicJwk.kid

function unwrap<T>(result: { ok: true; value: T } | { ok: false; error: string }): T {
  if (!result.ok) throw new Error(result.error)
  return result.value
}

const first: SigningKeys = [generateSigningKey('ES256', { createdAt: start })]
const old = first[0].publicJwk.kid

describe('a rotation', () => {
  const { keys, signer } = unwrap(rotateKeys(first, terms(start + 0.7)))
  const next = signer.publicJwk.kid

  it('publishes the new key at once, and lets it sign when nobody has a key set of before', () => {
    expect(kids(scheduleKeys(keys, start + 1).published)).toEqual([old, next])
    expect(signer).toMatchObject({ createdAt: start, signsFrom: start + 120 + 300 })
    expect(signerAt(keys, start + 419)).toBe(old)
    expect(signerAt(keys, start + 420)).toBe(next)
  })

  it('keeps the key before until the last token that it signed has ended everywhere', () => {
    const ends = start + 420 + 300 + 60
    expect(kids(scheduleKeys(keys, ends - 1).published)).toEqual([next, old])
    expect(kids(scheduleKeys(keys, ends).published)).toEqual([next])
  })

  it('makes a key for the algorithm that is asked for, and leaves the others theirs', () => {
    const changed = unwrap(rotateKeys(first, terms(start, { algorithm: 'EdDSA' }))).keys
    expect(changed.map(({ publicJwk }) => publicJwk.alg)).toEqual(['EdDSA', 'ES256'])
  })

  it('is refused while another one is under way', () => {
    expect(rotateKeys(keys, terms(start + 419))).toMatchObject({ ok: false })
    expect(rotateKeys(keys, terms(start + 420))).toMatchObject({ ok: true })
  })

  it('drops what has ended', () => {
    const again = unwrap(rotateKeys(keys, terms(start + 10_000)))
    expect(kids(again.keys)).toEqual([again.signer.publicJwk.kid, next])
  })

  it('gives an end to every key of a file of before there were times', () => {
    const plain: SigningKeys = [generateSigningKey(), generateSigningKey()]
    const rotated = unwrap(rotateKeys(plain, terms(start))).keys
    expect(rotated.map(key => key.publishedUntil)).toEqual([undefined, start + 780, start + 780])
  })
})

describe('a rotation at once', () => {
  it('makes a new key sign, and keeps the one before for what it signed', () => {
    const { keys, signer } = rotateKeysNow(first, terms(start + 5.9))
    expect(signerAt(keys, start + 5.9)).toBe(signer.publicJwk.kid)
    expect(keys[1]).toMatchObject({ publishedUntil: start + 5 + 300 + 60 })
  })

  it('takes the key that was to be next, which more verifiers know', () => {
    const { keys, signer } = unwrap(rotateKeys(first, terms(start)))
    const now = rotateKeysNow(keys, terms(start + 60))
    expect(kids(now.keys).sort()).toEqual(kids(keys).sort())
    expect(signerAt(now.keys, start + 60)).toBe(signer.publicJwk.kid)
  })

  it('counts also when it comes twice in a second', () => {
    const once = rotateKeysNow(first, terms(start))
    const twice = rotateKeysNow(once.keys, terms(start))
    expect(signerAt(twice.keys, start)).toBe(twice.signer.publicJwk.kid)
  })
})

describe('retiring', () => {
  const { keys, signer } = unwrap(rotateKeys(first, terms(start)))
  const next = signer.publicJwk.kid

  it('is refused for a key that signs, or may have signed what is alive', () => {
    expect(retireKey(keys, old, terms(start))).toMatchObject({
      ok: false,
      error: expect.stringContaining('signs'),
    })
    expect(retireKey(keys, old, terms(start + 420 + 359))).toMatchObject({
      ok: false,
      error: expect.stringContaining('alive until 2027-01-15T08:13:00.000Z'),
    })
    expect(unwrap(retireKey(keys, old, terms(start + 420 + 360))).keys).toMatchObject([
      { publicJwk: { kid: next } },
    ])
  })

  it('is refused for a key of which nobody knows when it signed last', () => {
    const plain: SigningKeys = [generateSigningKey(), generateSigningKey()]
    expect(retireKey(plain, plain[1]?.publicJwk.kid ?? '', terms(start))).toMatchObject({ ok: false })
  })

  it('calls off a rotation, unless the new key may be signing somewhere already', () => {
    const left = unwrap(retireKey(keys, next, terms(start + 239))).keys
    expect(left).toMatchObject([{ publicJwk: { kid: old }, publishedUntil: undefined }])
    expect(retireKey(keys, next, terms(start + 240))).toMatchObject({ ok: false })
  })

  it('is refused for a key that there is not', () => {
    expect(retireKey(keys, 'other', terms(start))).toMatchObject({ ok: false })
    expect(retireCompromisedKey(keys, 'other', terms(start))).toMatchObject({ ok: false })
  })
})

describe('a compromised key', () => {
  it('is gone at once, and a new one signs', () => {
    const { keys, signer } = unwrap(retireCompromisedKey(first, old, terms(start)))
    expect(kids(keys)).toEqual([signer.publicJwk.kid])
    expect(signer.publicJwk.kid).not.toBe(old)
    expect(signerAt(keys, start)).toBe(signer.publicJwk.kid)
  })

  it('is followed by the one that was to be next, never by one of before', () => {
    const rotated = unwrap(rotateKeys(first, terms(start)))
    const second = rotated.signer.publicJwk.kid
    const third = unwrap(rotateKeys(rotated.keys, terms(start + 500)))
    const left = unwrap(retireCompromisedKey(third.keys, second, terms(start + 501)))
    expect(signerAt(left.keys, start + 501)).toBe(third.signer.publicJwk.kid)
    expect(kids(left.keys)).not.toContain(second)
    const alone = unwrap(retireCompromisedKey(rotated.keys, second, terms(start + 501)))
    expect([old, second]).not.toContain(signerAt(alone.keys, start + 501))
    expect(kids(alone.keys)).toContain(old)
  })

  it('that does not sign goes without another trace', () => {
    const { keys, signer } = unwrap(rotateKeys(first, terms(start)))
    const left = unwrap(retireCompromisedKey(keys, signer.publicJwk.kid, terms(start + 419)))
    expect(left.keys).toMatchObject([{ publicJwk: { kid: old }, publishedUntil: undefined }])
  })
})

type Step = 'rotate' | 'retire next' | 'retire current' | 'retire others' | 'restart'

/**
 * The service as verifiers see it, over a random life. Time goes on in steps; at each step every replica may have the
 * file of any moment within the spread. Whatever signs must be in every key set of the last 300 seconds, whoever of the
 * replicas served it; and what is alive must be in every set that is served.
 */
describe('over random schedules of rotations', () => {
  const spreadSeconds = 120
  const step = 20

  it('nothing is signed by a key that is not in every key set of the last 300 seconds, of any replica', () => {
    fc.assert(
      fc.property(life(), ({ steps, maxTtlSeconds, lag }) => {
        const files = live(steps, maxTtlSeconds)
        const sets = files.map((_, index) => publishedByAll(files, index, lag))
        for (const index of files.keys()) {
          for (const file of seenAt(files, index, lag)) {
            const kid = signerAt(file, start + index * step)
            const recent = sets.slice(Math.max(0, index - 300 / step), index + 1)
            if (!recent.every(set => set.has(kid))) throw new Error(`at step ${index}`)
          }
        }
      }),
    )
  })

  it('no key goes while something lives that it signed', () => {
    fc.assert(
      fc.property(life(), ({ steps, maxTtlSeconds, lag }) => {
        const alive = new Map<string, number>()
        const files = live(steps, maxTtlSeconds)
        for (const index of files.keys()) {
          const now = start + index * step
          for (const file of seenAt(files, index, lag)) {
            const { publicJwk, publishedUntil = Number.POSITIVE_INFINITY } = scheduleKeys(file, now).current
            alive.set(publicJwk.kid, Math.min(now + maxTtlSeconds, publishedUntil - 60))
          }
          const published = publishedByAll(files, index, lag)
          const lost = [...alive].filter(([kid, end]) => now < end && !published.has(kid))
          if (lost.length > 0) throw new Error(`at step ${index}`)
        }
      }),
    )
  })

  it('a key that was compromised is nowhere from then on, and somebody always signs', () => {
    fc.assert(
      fc.property(life(), fc.array(fc.nat(5), { maxLength: 8 }), ({ steps, maxTtlSeconds }, picks) => {
        const gone = new Set<string>()
        const left = [...picks]
        const files = live(steps, maxTtlSeconds, keys => {
          const pick = left.shift()
          const kid = pick === undefined ? undefined : keys[pick % keys.length]?.publicJwk.kid
          if (kid !== undefined) gone.add(kid)
          return kid
        })
        const last = files.at(-1) as SigningKeys
        expect(kids(last).filter(kid => gone.has(kid))).toEqual([])
        for (const [index, keys] of files.entries()) {
          const now = start + index * step
          expect(stateOf(scheduleKeys(keys, now).current, keys, now)).toBe('current')
          expect(keys.filter(key => stateOf(key, keys, now) === 'next').length).toBeLessThan(2)
        }
      }),
    )
  })

  function life() {
    const steps = fc.constantFrom<Step>('rotate', 'retire next', 'retire current', 'retire others', 'restart')
    return fc.record({
      steps: fc.array(fc.option(steps, { freq: 3 }), { minLength: 20, maxLength: 120 }),
      maxTtlSeconds: fc.constantFrom(30, 300, 900),
      /** How many steps a replica may be behind. */
      lag: fc.nat(spreadSeconds / step),
    })
  }

  /** The file after each step. What is refused changes nothing. */
  function live(
    steps: readonly (Step | null)[],
    maxTtlSeconds: number,
    compromise: (keys: SigningKeys) => string | undefined = () => undefined,
  ): readonly SigningKeys[] {
    let keys = first
    const files = [keys]
    for (const [index, does] of steps.entries()) {
      const now = start + index * step
      const at = terms(now, { maxTtlSeconds, spreadSeconds })
      const change = (result: { ok: boolean; value?: Pick<Rotation, 'keys'> }): void => {
        if (result.ok && result.value !== undefined) keys = result.value.keys
      }
      const inState = (state: string): string[] => kids(keys.filter(key => stateOf(key, keys, now) === state))
      if (does === 'rotate') change(rotateKeys(keys, at))
      if (does === 'retire next') for (const kid of inState('next')) change(retireKey(keys, kid, at))
      if (does === 'retire current') for (const kid of inState('current')) change(retireKey(keys, kid, at))
      if (does === 'retire others') {
        for (const kid of [...inState('retiring'), ...inState('ended')]) change(retireKey(keys, kid, at))
      }
      const compromised = does === 'restart' ? compromise(keys) : undefined
      if (compromised !== undefined) change(retireCompromisedKey(keys, compromised, at))
      files.push(keys)
    }
    return files.slice(1)
  }

  /** The keys that are in every key set that some replica may serve at a step. */
  function publishedByAll(files: readonly SigningKeys[], index: number, lag: number): Set<string> {
    const now = start + index * step
    const sets = seenAt(files, index, lag).map(file => new Set(kids(scheduleKeys(file, now).published)))
    return new Set([...(sets[0] ?? [])].filter(kid => sets.every(set => set.has(kid))))
  }

  /** The files that a replica may have at a step. */
  function seenAt(files: readonly SigningKeys[], index: number, lag: number): readonly SigningKeys[] {
    return files.slice(Math.max(0, index - lag), index + 1)
  }
})
