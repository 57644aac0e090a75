import { expect, it } from 'vitest'
import { deriveKey, formatScryptHash, hashSecret, parseScryptHash } from '../../../src/base/scrypt-hash.ts'

// RFC 7914 §12, third vector.
const rfc7914 =
  '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887'
const phc = `$scrypt$ln=14,r=8,p=1$${strip(Buffer.from('SodiumChloride'))}$${strip(Buffer.from(rfc7914, 'hex'))}`

function strip(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}

it('works out the vector of RFC 7914 from its PHC string, and writes the same string again', async () => {
  const read = parseScryptHash(phc)
  if (!read.ok) throw new Error(read.error)
  const { salt, cost, key } = read.value
  expect((await deriveKey('pleaseletmein', salt, cost)).toString('hex')).toBe(rfc7914)
  expect(key.toString('hex')).toBe(rfc7914)
  expect(formatScryptHash(read.value)).toBe(phc)
})

it('salts every hash anew, and costs 32 MiB unless told otherwise', async () => {
  const [one, other] = [await hashSecret('sesame'), await hashSecret('sesame')]
  expect(formatScryptHash(one)).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  expect(one.key).not.toEqual(other.key)
})

it.each([
  ['nothing', '', 'is no PHC string of scrypt'],
  ['another algorithm', phc.replace('scrypt', 'argon2id'), 'is no PHC string of scrypt'],
  ['a bare digest', rfc7914, 'is no PHC string of scrypt'],
  ['parameters in another order', phc.replace('ln=14,r=8', 'r=8,ln=14'), 'is no PHC string of scrypt'],
  ['padding', `${phc}=`, 'is no PHC string of scrypt'],
  [
    'loose bits',
    phc.replace('SodiumChloride', 'x').replace(/\$([^$]+)\$([^$]+)$/, '$U29kaXVtQ2hsb3JpZGV$$2'),
    'is not in canonical base64',
  ],
  ['a cost of nothing', phc.replace('ln=14', 'ln=4'), 'is too cheap: ln=14,r=8,p=1 is least'],
  ['a small block', phc.replace('r=8', 'r=1'), 'is too cheap: ln=14,r=8,p=1 is least'],
  ['no parallelism', phc.replace('p=1', 'p=0'), 'is too cheap: ln=14,r=8,p=1 is least'],
  ['a cost of gigabytes', phc.replace('ln=14', 'ln=21'), 'is too expensive: 128 MiB and p=8 are most'],
  ['a huge block', phc.replace('r=8', 'r=128'), 'is too expensive: 128 MiB and p=8 are most'],
  ['much parallelism', phc.replace('p=1', 'p=9'), 'is too expensive: 128 MiB and p=8 are most'],
  [
    'a short salt',
    phc.replace(/\$[^$]+(?=\$[^$]+$)/, '$U2FsdA'),
    'has a salt that is not 8 to 64 bytes long',
  ],
  ['a short key', phc.replace(/[^$]+$/, 'c2hvcnQ'), 'has a key that is not 32 to 64 bytes long'],
])('refuses %s', (_, text, error) => {
  expect(parseScryptHash(text)).toEqual({ ok: false, error })
})
