import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCertificate } from '../support/certificate.ts'
import type { Site } from './site.ts'

/** Where a server's certificate and key are. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

/** A self-signed certificate for 127.0.0.1, made once in a run: P-256, as most certificates that are issued now. */
export function certificateFiles({ folder }: Site): CertificateFiles {
  const files = { cert: join(folder, 'server.cert.pem'), key: join(folder, 'server.key.pem') }
  if (!existsSync(files.key)) {
    const { cert, key } = createCertificate('IP:127.0.0.1')
    writeFileSync(files.cert, cert)
    writeFileSync(files.key, key, { mode: 0o600 })
  }
  return files
}
