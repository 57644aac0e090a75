import { chmodSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { createLog } from '../../../src/base/log.ts'
import { type KeyChange, openSigner } from '../../../src/sts/open-signer.ts'
import { formatSigningKeys, generateSigningKey, type SigningKeys } from '../../../src/sts/signing-keys.ts'
import { createTempFolder } from '../../support/temp-folder.ts'
import { until } from '../../support/until.ts'

let folder: string
let file: string
let log: string[]
beforeEach(() => {
  folder = createTempFolder()
  file = join(folder, 'keys.json')
  log = []
})

const old = generateSigningKey()
const other = generateSigningKey('EdDSA')

function put(keys: SigningKeys, mode = 0o600): void {
  const temporary = join(folder, 'new.json')
  writeFileSync(temporary, formatSigningKeys(keys), { mode })
  renameSync(temporary, file)
}

function open(changes: KeyChange[] = []) {
  const opened = openSigner(
    { keys: file, algorithm: 'ES256' },
    {
      clock: systemClock,
      log: createLog('test', line => log.push(line)),
      times: { intervalMs: 20, settleMs: 5 },
      onChange: change => changes.push(change),
    },
  )
  onTestFinished(() => opened.close())
  return opened
}

describe('a signer with a file', () => {
  it('makes the file for the configured algorithm on first use', () => {
    const source = { keys: file, algorithm: 'EdDSA' } as const
    const { signer, close } = openSigner(source, { clock: systemClock, log: createLog('test', () => {}) })
    onTestFinished(close)
    expect(signer.publicKeys()).toMatchObject([{ alg: 'EdDSA' }])
    expect(open().signer.publicKeys()).toEqual(signer.publicKeys())
  })

  it('takes over other keys without a restart, says so, and nothing of them', async () => {
    put([old])
    const changes: KeyChange[] = []
    const { signer } = open(changes)
    put([other, old])
    await until(() => changes.length === 1, 'the change is noticed')
    expect(signer.publicKeys().map(({ kid }) => kid)).toEqual([other.publicJwk.kid, old.publicJwk.kid])
    const said = JSON.parse(log.at(-1) ?? '')
    expect(said).toMatchObject({
      message: 'signing keys changed',
      signs: other.publicJwk.kid,
      added: [other.publicJwk.kid],
      removed: [],
    })
    expect(changes).toEqual([
      {
        at: expect.any(Number),
        signs: other.publicJwk.kid,
        published: [other.publicJwk.kid, old.publicJwk.kid],
        added: [other.publicJwk.kid],
        removed: [],
      },
    ])
    expect(log.join()).not.toContain(String(old.privateKey.export({ format: 'jwk' })['d']))
  })

  it('says nothing when it finds the keys that it has, as after it made the file', async () => {
    const changes: KeyChange[] = []
    const { signer } = open(changes)
    const [kid] = signer.publicKeys().map(key => key.kid)
    await new Promise(resolve => setTimeout(resolve, 100))
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n`)
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(changes).toEqual([])
    put([other])
    await until(() => changes.length === 1, 'the change is noticed')
    expect(changes).toMatchObject([{ removed: [kid] }])
  })

  it('follows a link that is swapped, as Kubernetes does it', async () => {
    const versions = [old, other].map((key, index) => {
      const version = join(folder, `version-${index}.json`)
      writeFileSync(version, formatSigningKeys([key]), { mode: 0o600 })
      return version
    })
    symlinkSync(versions[0] ?? '', file)
    const { signer } = open()
    symlinkSync(versions[1] ?? '', `${file}.new`)
    renameSync(`${file}.new`, file)
    await until(() => signer.publicKeys()[0]?.kid === other.publicJwk.kid, 'the link is followed')
  })

  it.each<[string, () => void]>([
    ['is gone', () => rmSync(file)],
    ['is malformed', () => writeFileSync(file, '{"keys":[]}')],
    ['is open to others', () => put([other], 0o644)],
  ])('goes on with the keys that it has when the file %s, and says so', async (_, spoil) => {
    put([old])
    const { signer } = open()
    spoil()
    await until(() => log.some(line => line.includes('signing keys not usable')), 'it is reported')
    expect(signer.publicKeys()).toMatchObject([{ kid: old.publicJwk.kid }])
    put([other, old])
    await until(() => signer.publicKeys().length === 2, 'it follows again')
  })

  it('takes over a file whose mode is put right', { timeout: 20_000 }, async () => {
    put([old])
    const { signer } = open()
    put([other], 0o644)
    await until(() => log.some(line => line.includes('signing keys not usable')), 'it is reported')
    chmodSync(file, 0o600)
    await until(() => signer.publicKeys()[0]?.kid === other.publicJwk.kid, 'it is read again')
  })
})
