import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A self-signed certificate and its key, PEM. */
export interface TestCertificate {
  readonly key: string
  readonly cert: string
}

/** Whether this machine can make certificates. Tests that need them skip by a name that says so. */
export const canMakeCertificates = hasOpenssl()

/** Makes a certificate for one subject alternative name, such as `IP:127.0.0.1` or `DNS:redis.test`. */
export function createCertificate(alternativeName: string): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'hopgate-test-'))
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const names = ['-subj', '/CN=hopgate-test', '-addext', `subjectAltName=${alternativeName}`]
    execFileSync('openssl', [...request, '-days', '2', '-keyout', key, '-out', cert, ...names], {
      stdio: 'ignore',
    })
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('openssl is not on PATH: tests that need certificates are skipped')
    return false
  }
}
