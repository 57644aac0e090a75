// Called by make-secrets.sh: node make-keys.mjs FOLDER CLIENT... Files that exist stay as they are.

import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder, ...clients] = process.argv.slice(2)

for (const client of clients) {
  const file = join(folder, `${client}.jwk`)
  if (existsSync(file)) continue
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { d, ...publicPart } = privateKey.export({ format: 'jwk' })
  const { crv, kty, x, y } = publicPart
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url') // RFC 7638
  const publicJwk = { ...publicPart, kid, alg: 'ES256', use: 'sig' }
  writeFileSync(join(folder, `${client}.public.json`), `${JSON.stringify({ keys: [publicJwk] }, null, 2)}\n`)
  writeFileSync(file, `${JSON.stringify({ ...publicJwk, d }, null, 2)}\n`)
}

if (!existsSync(join(folder, 'redis.url'))) {
  const password = randomBytes(24).toString('hex')
  writeFileSync(join(folder, 'redis.conf'), `requirepass ${password}\nsave ""\nappendonly no\ndir /data\n`)
  writeFileSync(join(folder, 'redis.url'), `redis://:${password}@redis:6379\n`)
}
