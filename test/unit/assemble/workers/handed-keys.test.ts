import { expect, it } from 'vitest'
import { HandedKeys } from '../../../../src/assemble/workers/handed-keys.ts'
import { formatSigningKeys, generateSigningKey } from '../../../../src/sts/signing-keys.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'

const [one, two] = [generateSigningKey(), generateSigningKey()]
const text = { one: formatSigningKeys([one]), two: formatSigningKeys([two]) }
const kids = (keys: HandedKeys, file?: string) =>
  keys
    .signerOf(file)
    .publicKeys()
    .map(({ kid }) => kid)

it('signs with what was handed over last for a file, the signers that are in use included', () => {
  const keys = new HandedKeys(createFakeClock())
  expect(() => keys.signerOf('a.json')).toThrow(/not handed over/)
  keys.take('a.json', text.one)
  keys.take('b.json', text.one)
  const inUse = keys.signerOf('a.json')
  keys.take('a.json', text.two)
  expect(inUse.publicKeys()).toEqual([two.publicJwk])
  expect(keys.signerOf('a.json')).toBe(inUse)
  expect(kids(keys, 'b.json')).toEqual([one.publicJwk.kid])
})

it('takes back what a reload that is rejected has brought', () => {
  const keys = new HandedKeys(createFakeClock())
  keys.take(undefined, text.one)
  keys.take(undefined, text.two)()
  expect(kids(keys)).toEqual([one.publicJwk.kid])
  keys.take(undefined, text.one)()
  expect(kids(keys)).toEqual([one.publicJwk.kid])
  keys.take('a.json', text.two)()
  expect(() => keys.signerOf('a.json')).toThrow(/not handed over/)
})

it('goes on with the keys before when what comes is none', () => {
  const keys = new HandedKeys(createFakeClock())
  keys.take(undefined, text.one)
  expect(() => keys.take(undefined, '{"keys":[]}')).toThrow(/no key/)
  expect(kids(keys)).toEqual([one.publicJwk.kid])
})
