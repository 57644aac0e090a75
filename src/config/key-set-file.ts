import { readClientKeySet } from '../tokens/client-key-set.ts'
import type { DocumentPath } from './config-problem.ts'
import type { FileReader } from './file-reader.ts'
import { type PublicKeySet, publicKeySet } from './issuer-schema.ts'
import type { Report } from './report.ts'
import type { StsClientInput } from './sts-client-schema.ts'

/** The key set of a path that was opened. */
export type OpenKeySets = (path: DocumentPath) => PublicKeySet

/**
 * Reads the JWK sets that `sts.clients` name and reports those that are none, and every set, inline ones too, with a key
 * that may not verify signatures.
 */
export function openKeySets(
  clients: readonly StsClientInput[],
  files: FileReader,
  report: Report,
): OpenKeySets {
  const opened = new Map<string, PublicKeySet>()
  const named = clients.flatMap(({ jwks, self_signed_tls_client_auth: selfSigned }, index) => [
    { jwks, at: ['sts', 'clients', index, 'jwks'] },
    { jwks: selfSigned?.jwks, at: ['sts', 'clients', index, 'self_signed_tls_client_auth', 'jwks'] },
  ])
  for (const { jwks, at } of named) {
    if (jwks?.inline !== undefined) reportUnusable(jwks.inline, [...at, 'inline'], report)
    if (jwks?.file === undefined) continue
    const path = [...at, 'file']
    const text = files.read(jwks.file)
    const keys = text.ok ? publicKeySet.safeParse(parseJson(text.value)) : undefined
    if (keys?.success === true) {
      opened.set(JSON.stringify(path), keys.data)
      reportUnusable(keys.data, path, report)
    } else {
      const wrong = text.ok ? 'does not hold one' : text.error
      report.add({ path, found: `a file that ${wrong}`, expected: 'a JWK set of public keys' })
    }
  }
  return path => {
    const keys = opened.get(JSON.stringify(path))
    if (keys === undefined) throw new Error('a key set is used that was never opened')
    return keys
  }
}

function reportUnusable(keys: PublicKeySet, path: DocumentPath, report: Report): void {
  const read = readClientKeySet(keys)
  if (read.ok) return
  report.add({ path, found: `a key that is not usable (${read.error})`, expected: 'keys for signatures' })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
