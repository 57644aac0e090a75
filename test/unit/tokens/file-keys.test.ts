import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { silentLog } from '../../../src/base/log.ts'
import { createIssuerKeys } from '../../../src/tokens/issuer-keys.ts'
import type { KeySet } from '../../../src/tokens/key-set.ts'
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts'
import { createFakeHttpClient } from '../../support/fake-http-client.ts'
import { rulesFor } from '../../support/issuer-rules.ts'
import { createTestIssuer, type TestIssuer } from '../../support/tokens.ts'

let a: TestIssuer
let b: TestIssuer
let folder: string
let file: string
let clock: FakeClock
let keys: KeySet

beforeAll(async () => {
  a = await createTestIssuer({ kid: 'a' })
  b = await createTestIssuer({ kid: 'b' })
})

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  folder = mkdtempSync(join(tmpdir(), 'hopgate-'))
  file = join(folder, 'keys.json')
  clock = createFakeClock()
  const client = createFakeHttpClient(() => new Error('a file needs no client'))
  keys = createIssuerKeys(rulesFor(a, { keys: { kind: 'file', file } }), {
    client,
    log: silentLog,
    options: { clock },
  })
})

afterEach(() => {
  keys.close()
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

function write(target: string, ...issuers: readonly TestIssuer[]): void {
  writeFileSync(target, JSON.stringify({ keys: issuers.map(issuer => issuer.jwk) }))
}

function finds(kid: string): boolean {
  const found = keys.find('ES256', kid)
  return !(found instanceof Promise) && found.ok
}

function tick(ms: number): void {
  clock.advanceMs(ms)
  vi.advanceTimersByTime(ms)
}

describe('FileKeys', () => {
  it('reads the file at the first look-up, without waiting', () => {
    write(file, a)
    expect(finds('a')).toBe(true)
  })

  it('reads a changed file again when an unknown kid comes, at most once a second', () => {
    write(file, a)
    expect(finds('a')).toBe(true)
    write(file, a, b)
    tick(999)
    expect(finds('b')).toBe(false)
    tick(1)
    expect(finds('b')).toBe(true)
  })

  it('notices by itself that a key is gone', async () => {
    write(file, a, b)
    await keys.warm()
    expect(finds('a')).toBe(true)
    write(file, b)
    tick(10_000)
    expect(finds('a')).toBe(false)
  })

  it('follows a symbolic link that is swapped for another', () => {
    write(join(folder, 'v1'), a)
    write(join(folder, 'v2'), b)
    symlinkSync('v1', file)
    expect(finds('a')).toBe(true)
    symlinkSync('v2', join(folder, 'new'))
    renameSync(join(folder, 'new'), file)
    tick(1000)
    expect(finds('b')).toBe(true)
    expect(finds('a')).toBe(false)
  })

  it.each([
    ['missing', () => rmSync(file)],
    ['truncated', () => writeFileSync(file, '{"keys":[')],
    ['empty', () => writeFileSync(file, '')],
    ['too large', () => writeFileSync(file, JSON.stringify(a.jwks).padEnd(600_000))],
  ])('keeps the last good set while the file is %s, up to its bound', (_, spoil) => {
    write(file, a)
    expect(finds('a')).toBe(true)
    spoil()
    tick(10_000)
    expect(finds('a')).toBe(true)
    tick(24 * 3_600_000)
    expect(finds('a')).toBe(false)
    write(file, a)
    tick(10_000)
    expect(finds('a')).toBe(true)
  })

  it('believes an unchanged file for as long as it is there', () => {
    write(file, a)
    expect(finds('a')).toBe(true)
    for (let day = 0; day < 3; day++) {
      tick(24 * 3_600_000)
      expect(finds('a')).toBe(true)
    }
  })

  it('is unavailable while nothing was ever read', () => {
    expect(keys.find('ES256', 'a')).toEqual({ ok: false, error: 'unavailable' })
  })

  it('does not look at the file any more after it was closed', () => {
    keys.close()
    write(file, a)
    tick(60_000)
    expect(finds('a')).toBe(false)
  })
})

describe('InlineKeys', () => {
  it('answers from the configuration alone', async () => {
    const client = createFakeHttpClient(() => new Error('inline keys need no client'))
    const inline = createIssuerKeys(rulesFor(a), { client, log: silentLog })
    await inline.warm()
    const found = inline.find('ES256', 'a')
    expect(found).toMatchObject({ ok: true })
    expect(!(found instanceof Promise) && found.ok && inline.holds(found.value)).toBe(true)
    expect(inline.find('ES256', 'b')).toEqual({ ok: false, error: 'unknown' })
  })
})
