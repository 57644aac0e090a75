import { readTlsFiles, type TlsFiles } from '../base/tls-files.ts'
import type { DocumentPath } from './config-problem.ts'
import type { FileReader } from './file-reader.ts'
import type { ConfigDocument } from './read-document.ts'
import type { SidecarInput } from './sidecar-schema.ts'

/** Reports TLS files that cannot be used, so that a sidecar neither starts nor reloads with one. */
export function checkTlsFiles({ parts, files, report }: ConfigDocument<SidecarInput>): void {
  const check = (
    named: TlsFiles,
    path: DocumentPath,
    keys: Readonly<Record<keyof TlsFiles, string>> = sameKeys,
  ): void => {
    const read = readTlsFiles(resolveAll(named, files), Date.now() / 1000)
    if (read.ok) return
    for (const { part, wrong } of read.error) {
      report.add({ path: [...path, keys[part]], found: `a file that ${wrong}`, expected: expected[part] })
    }
  }
  const { listen, upstream } = parts
  if (listen !== undefined && 'address' in listen && listen.tls !== undefined) {
    const { cert, key, client_ca: ca } = listen.tls
    check({ cert, key, ca }, ['listen', 'tls'], { ...sameKeys, ca: 'client_ca' })
  }
  if (upstream !== undefined && !(upstream instanceof URL) && upstream.tls !== undefined) {
    const { cert, key, ca } = upstream.tls
    check({ cert, key, ca }, ['upstream', 'tls'])
  }
}

const sameKeys = { cert: 'cert', key: 'key', ca: 'ca' } as const

const expected: Readonly<Record<keyof TlsFiles, string>> = {
  cert: 'a PEM certificate that is valid now',
  key: 'the PEM private key of the certificate',
  ca: 'PEM certificates of authorities',
}

function resolveAll({ cert, key, ca }: TlsFiles, files: Pick<FileReader, 'resolve'>): TlsFiles {
  const resolve = (name: string | undefined) => (name === undefined ? undefined : files.resolve(name))
  return { cert: resolve(cert), key: resolve(key), ca: resolve(ca) }
}
