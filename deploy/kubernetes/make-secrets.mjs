// Prints the Secrets that the hub and the gates need, with fresh keys; nothing is written to disk.
//
//   node make-secrets.mjs shop orders billing | kubectl apply -f -
//
// The first argument is the namespace, the others are the services that have a gate. Applied again it replaces every
// key: restart the hub and the gates together then. Add a service by hand to keep the others' keys.

import { createHash, generateKeyPairSync } from 'node:crypto'

const [namespace, ...services] = process.argv.slice(2)
if (namespace === undefined || services.length === 0) {
  process.stderr.write('usage: node make-secrets.mjs NAMESPACE SERVICE...\n')
  process.exit(2)
}

const gates = services.map(service => ({ service, ...makeKey() }))
const secrets = [
  secret('hopgate-hub-keys', { 'signing-keys.json': { keys: [makeKey().privateJwk] } }),
  secret(
    'hopgate-clients',
    Object.fromEntries(gates.map(gate => [`${gate.service}.json`, { keys: [gate.publicJwk] }])),
  ),
  ...gates.map(gate => secret(`${gate.service}-hopgate-client`, { 'client.jwk': gate.privateJwk })),
]
process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: secrets })}\n`)

function secret(name, files) {
  const texts = Object.entries(files).map(([file, content]) => [file, JSON.stringify(content)])
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'Opaque',
    stringData: Object.fromEntries(texts),
  }
}

function makeKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { d, crv, kty, x, y } = privateKey.export({ format: 'jwk' })
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url') // RFC 7638
  const publicJwk = { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }
  return { publicJwk, privateJwk: { ...publicJwk, d } }
}
