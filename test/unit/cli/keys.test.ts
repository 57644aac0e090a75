import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keys } from '../../../src/cli/keys.ts'
import { loadSigningKeys } from '../../../src/sts/key-file.ts'
import { formatSigningKeys, generateSigningKey, type SigningKeys } from '../../../src/sts/signing-keys.ts'
import { goodHub } from '../../support/config-text.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = createTempFolder()
  file = join(folder, 'keys.json')
})

afterEach(() => {
  vi.unstubAllEnvs()
})

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await keys(args, {
    stdout: { write: text => (out += text) },
    stderr: { write: text => (err += text) },
  })
  return { code, out, err }
}

interface Listed {
  readonly kid: string
  readonly alg: string
  readonly state: string
  readonly signs_from: string | null
  readonly published_until: string | null
}

async function listed(): Promise<readonly Listed[]> {
  return JSON.parse((await run('list', '--file', file, '--json')).out)
}

const inSeconds = (time: string | null): number => (Date.parse(String(time)) - Date.now()) / 1000

function put(...all: SigningKeys): readonly string[] {
  writeFileSync(file, formatSigningKeys(all), { mode: 0o600 })
  return all.map(({ publicJwk }) => publicJwk.kid)
}

describe('hopgate keys list', () => {
  it('shows what each key is, and nothing private', async () => {
    const [key] = loadSigningKeys(file)
    const { code, out, err } = await run('list', '--file', file)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(
      /^KID +ALG +STATE +CREATED +SIGNS FROM +PUBLISHED UNTIL\n[\w-]{43} +ES256 +current +2/,
    )
    expect(out + JSON.stringify(await listed())).not.toContain(
      String(key.privateKey.export({ format: 'jwk' })['d']),
    )
  })

  it('says that there is no file, and makes none', async () => {
    expect(await run('list', '--file', file)).toMatchObject({
      code: 1,
      err: expect.stringContaining('no such file'),
    })
    expect(existsSync(file)).toBe(false)
  })
})

describe('hopgate keys rotate', () => {
  it('adds a key that signs when every verifier has it', async () => {
    const [old] = put(generateSigningKey())
    const { code, out } = await run('rotate', '--file', file, '--max-ttl', '10m', '--spread', '1m')
    expect(code).toBe(0)
    const [next, current] = await listed()
    expect(next).toMatchObject({ state: 'next', alg: 'ES256', published_until: null })
    expect(current).toMatchObject({ state: 'current', kid: old })
    expect(out).toContain(`${next?.kid} (ES256) is published, and signs from ${next?.signs_from} on.`)
    expect(Math.round(inSeconds(next?.signs_from ?? null) / 10)).toBe(36)
    expect(Math.round(inSeconds(current?.published_until ?? null) / 10)).toBe(36 + 60 + 6)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('expects tokens that live for a day when it knows nothing of the service', async () => {
    put(generateSigningKey())
    await run('rotate', '--file', file)
    const [, current] = await listed()
    expect(Math.round(inSeconds(current?.published_until ?? null) / 60)).toBe(7 + 24 * 60 + 1)
  })

  it('takes file, algorithm and longest life from a configuration', async () => {
    put(generateSigningKey())
    const config = join(folder, 'hub.yaml')
    const more = 'keys: keys.json\n  algorithm: PS256\n  max_ttl: 20m\n  '
    writeFileSync(config, goodHub.replace('issuers:', `${more}issuers:`))
    vi.stubEnv('ORDERS_SECRET', 'sesame')
    expect(await run('rotate', '--config', config)).toMatchObject({ code: 0, err: '' })
    const [next, current] = await listed()
    expect(next?.alg).toBe('PS256')
    expect(Math.round(inSeconds(current?.published_until ?? null) / 60)).toBe(7 + 20 + 1)
  })

  it('lets a key sign at once when it must, and says what that breaks', async () => {
    const [old] = put(generateSigningKey())
    const { out } = await run('rotate', '--file', file, '--now', '--algorithm', 'EdDSA')
    expect(out).toContain('What this breaks')
    expect(await listed()).toMatchObject([
      { state: 'current', alg: 'EdDSA' },
      { state: 'retiring', kid: old },
    ])
  })

  it('is refused while another rotation is under way, and leaves the file alone', async () => {
    put(generateSigningKey())
    await run('rotate', '--file', file)
    const before = readFileSync(file, 'utf8')
    expect(await run('rotate', '--file', file)).toMatchObject({ code: 1, out: '' })
    expect(readFileSync(file, 'utf8')).toBe(before)
  })
})

describe('hopgate keys retire', () => {
  const old = { ...generateSigningKey(), publishedUntil: Date.now() / 1000 + 600 }
  const ended = { ...generateSigningKey(), publishedUntil: Date.now() / 1000 - 1 }

  it('removes what nobody needs, and nothing else', async () => {
    const [current = '', retiring = '', gone = ''] = put(generateSigningKey(), old, ended)
    expect((await run('retire', '--file', file, current)).err).toContain('signs')
    expect((await run('retire', '--file', file, retiring)).err).toContain('alive')
    expect(await run('retire', '--file', file, gone)).toMatchObject({ code: 0, err: '' })
    expect((await listed()).map(({ kid }) => kid)).toEqual([current, retiring])
  })

  it('removes a compromised key whatever it is, and says who must know', async () => {
    const [current = '', retiring = ''] = put(generateSigningKey(), old)
    const { out } = await run('retire', '--file', file, '--compromised', retiring)
    expect(out).toContain('refuses what it signed')
    const { code } = await run('retire', '--compromised', current, '--file', file)
    expect(code).toBe(0)
    const left = await listed()
    expect(left).toMatchObject([{ state: 'current' }])
    expect([current, retiring]).not.toContain(left[0]?.kid)
  })

  it('takes an identifier that looks like an option', async () => {
    let key = generateSigningKey()
    while (!key.publicJwk.kid.startsWith('-')) key = generateSigningKey()
    put(generateSigningKey(), key)
    expect((await run('retire', '--file', file, '--compromised', key.publicJwk.kid)).code).toBe(0)
    expect(await listed()).toHaveLength(1)
  })
})

describe('hopgate keys', () => {
  it.each([
    [[]],
    [['list']],
    [['delete', '--file', 'keys.json']],
    [['retire', '--file', 'keys.json']],
    [['retire', '--file', 'keys.json', 'kid']],
    [['rotate', '--file', 'keys.json', 'more']],
    [['rotate', '--file', 'keys.json', '--spread', 'soon']],
    [['list', '--file', 'keys.json', '--now']],
  ])('shows how it is used for %j', async args => {
    expect(await run(...args)).toMatchObject({ code: 2, err: expect.stringMatching(/^Usage:/) })
  })

  it('says why there is nothing to manage', async () => {
    const config = join(folder, 'hopgate.yaml')
    writeFileSync(config, 'nonsense: true\n')
    expect((await run('list', '--config', config)).code).toBe(1)
    put(generateSigningKey())
    expect((await run('rotate', '--file', file, '--algorithm', 'HS256')).err).toContain(
      '"HS256" is not one of',
    )
    writeFileSync(file, 'x', { mode: 0o600 })
    expect(await run('list', '--file', file)).toMatchObject({
      code: 1,
      err: expect.stringContaining('not usable as signing keys'),
    })
  })
})
