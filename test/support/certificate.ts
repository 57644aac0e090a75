import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate and its key, PEM. */
export interface TestCertificate {
  readonly key: string
  readonly cert: string
}

/** What a certificate of an authority says. */
export interface CertificateRequest {
  /** Subject alternative names, such as `DNS:orders.test`, `IP:127.0.0.1` or `URI:spiffe://test/orders`. */
  readonly names?: readonly string[]
  /** Extended key usage. Default: for servers and for clients; empty leaves the extension out. */
  readonly usage?: readonly ('serverAuth' | 'clientAuth' | 'emailProtection')[]
  /** Further lines of the extension section, such as `keyUsage=critical,keyCertSign`. */
  readonly extensions?: readonly string[]
  /** `YYYYMMDDHHMMSSZ`; default: an hour ago. */
  readonly from?: string
  /** `YYYYMMDDHHMMSSZ`; default: in two days. */
  readonly until?: string
  /** PKCS #8 PEM; default: a new key on P-256. */
  readonly key?: string
  readonly commonName?: string
}

/** Signs certificates. */
export interface TestAuthority {
  /** Its own certificate, PEM. */
  readonly cert: string
  issue(request?: CertificateRequest): TestCertificate
  /** An authority below this one. */
  issueAuthority(commonName: string): TestAuthority
}

/** Whether this machine can make certificates. Tests that need them skip by a name that says so. */
export const canMakeCertificates = hasOpenssl()

/** What the name of a skipped group ends with. */
export const withCertificates = canMakeCertificates ? '' : ' (skipped: openssl is not on PATH)'

/** Bounds of a certificate that has expired. */
export const expired = { from: '20200101000000Z', until: '20200201000000Z' } as const

/** Makes a self-signed certificate for one subject alternative name, such as `IP:127.0.0.1` or `DNS:redis.test`. */
export function createCertificate(alternativeName: string, commonName = 'hopgate-test'): TestCertificate {
  return inFolder(folder => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const names = ['-subj', subjectOf(commonName), '-addext', `subjectAltName=${alternativeName}`]
    openssl([...request, '-days', '2', '-keyout', key, '-out', cert, ...names])
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  })
}

/** Makes an authority of its own. */
export function createAuthority(commonName = 'hopgate-test-authority'): TestAuthority {
  return inFolder(folder => {
    const key = newKey()
    writeFileSync(join(folder, 'key.pem'), key)
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign']
    const request = ['req', '-x509', '-new', '-key', join(folder, 'key.pem'), '-days', '2', ...usage]
    const out = join(folder, 'cert.pem')
    openssl([...request, '-subj', subjectOf(commonName), '-out', out])
    return authorityOf({ key, cert: readFileSync(out, 'utf8') })
  })
}

/** A key on P-256, PKCS #8 PEM. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function authorityOf(own: TestCertificate): TestAuthority {
  const issue = (request: CertificateRequest = {}) => sign(own, request)
  return {
    cert: own.cert,
    issue,
    issueAuthority(commonName) {
      const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign']
      return authorityOf(issue({ commonName, usage: [], extensions }))
    },
  }
}

function sign(authority: TestCertificate, request: CertificateRequest): TestCertificate {
  const { names = [], usage = ['serverAuth', 'clientAuth'], extensions = [], key = newKey() } = request
  const { from = timeIn(-3600), until = timeIn(2 * 86_400), commonName = 'hopgate-test' } = request
  const lines = [
    ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : []),
    ...(usage.length > 0 ? [`extendedKeyUsage=${usage.join(',')}`] : []),
    ...extensions,
  ]
  return inFolder(folder => {
    const at = (name: string): string => join(folder, name)
    writeFileSync(at('ca.key'), authority.key)
    writeFileSync(at('ca.pem'), authority.cert)
    writeFileSync(at('key.pem'), key)
    writeFileSync(at('index.txt'), '')
    writeFileSync(
      at('ca.cnf'),
      `${databaseOf(folder)}[leaf]\nsubjectKeyIdentifier=none\n${lines.join('\n')}\n`,
    )
    openssl(['req', '-new', '-key', at('key.pem'), '-subj', subjectOf(commonName), '-out', at('csr.pem')])
    const signer = ['-cert', at('ca.pem'), '-keyfile', at('ca.key'), '-startdate', from, '-enddate', until]
    const output = ['-extensions', 'leaf', '-in', at('csr.pem'), '-out', at('cert.pem')]
    openssl(['ca', '-batch', '-notext', '-config', at('ca.cnf'), ...signer, ...output])
    return { key, cert: readFileSync(at('cert.pem'), 'utf8') }
  })
}

function subjectOf(commonName: string): string {
  return `/CN=${commonName.replaceAll('/', '\\/')}`
}

/** What `openssl ca` wants to be told. */
function databaseOf(folder: string): string {
  return `[ca]
default_ca=this
[this]
database=${folder}/index.txt
new_certs_dir=${folder}
rand_serial=yes
default_md=sha256
policy=any
[any]
commonName=supplied
`
}

function timeIn(seconds: number): string {
  const iso = new Date(Date.now() + seconds * 1000).toISOString()
  return `${iso.replace(/\.\d+Z$/, '').replace(/\D/g, '')}Z`
}

function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'hopgate-test-'))
  try {
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function openssl(args: readonly string[]): void {
  try {
    execFileSync('openssl', args, { stdio: 'pipe' })
  } catch (cause) {
    const output = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : ''
    throw new Error(`openssl ${args.join(' ')}: ${output}`)
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
