import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { EpochSeconds } from './clock.ts'
import { readPemBlocks } from './pem.ts'
import { fail, ok, type Result } from './result.ts'
import { readTextFile } from './text-file.ts'

/** PEM files of one side of TLS. `cert` and `key` come together. */
export interface TlsFiles {
  /** The own certificate, and what leads from it to its authority. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** The authorities that the other side's certificate must be from. */
  readonly ca?: string | undefined
}

/** What is wrong with one of the files, to follow "a file that". Says nothing of a key but that it is wrong. */
export interface TlsFault {
  readonly part: keyof TlsFiles
  readonly wrong: string
}

/** The content of the files, without anything that TLS does not use. */
export interface TlsPem {
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly ca: string | undefined
  /** The end of the own certificate. */
  readonly expiresAt: EpochSeconds | undefined
}

/** A certificate that was made just now must not fail because the clocks of two machines differ. */
const leewaySeconds = 300

/**
 * Reads the files and checks everything that would otherwise fail, or silently not count, in a handshake: TLS libraries
 * take an empty file of authorities for none, and trust those of the system then.
 */
export function readTlsFiles(files: TlsFiles, now: EpochSeconds): Result<TlsPem, readonly TlsFault[]> {
  const faults: TlsFault[] = []
  const read = <T>(part: keyof TlsFiles, parse: (text: string) => Result<T, string>): T | undefined => {
    const file = files[part]
    if (file === undefined) return undefined
    const text = readTextFile(file)
    const parsed = text.ok ? parse(text.value) : text
    if (parsed.ok) return parsed.value
    faults.push({ part, wrong: parsed.error })
    return undefined
  }
  const own = read('cert', text => parseOwnCertificate(text, now))
  const key = read('key', parsePrivateKey)
  const ca = read('ca', text => parseAuthorities(text, now))
  if (own !== undefined && key !== undefined && !own.leaf.checkPrivateKey(key.object)) {
    faults.push({ part: 'key', wrong: 'holds a key that does not fit the first certificate of cert' })
  }
  const pem = { cert: own?.pem, key: key?.pem, ca }
  const refusal = faults.length > 0 ? undefined : refusalOfTls(pem)
  if (refusal !== undefined) {
    faults.push({ part: files.cert === undefined ? 'ca' : 'cert', wrong: `TLS does not take (${refusal})` })
  }
  return faults.length > 0 ? fail(faults) : ok({ ...pem, expiresAt: own && secondsOf(own.leaf.validToDate) })
}

function parseOwnCertificate(
  text: string,
  now: EpochSeconds,
): Result<{ readonly pem: string; readonly leaf: X509Certificate }, string> {
  const read = parseCertificates(text)
  if (!read.ok) return read
  const { pem, certificates } = read.value
  const [leaf] = certificates as readonly [X509Certificate]
  const { validFromDate, validToDate } = leaf
  if (secondsOf(validToDate) <= now) {
    return fail(`holds a certificate that expired at ${validToDate.toISOString()}`)
  }
  if (secondsOf(validFromDate) > now + leewaySeconds) {
    return fail(`holds a certificate that is not valid before ${validFromDate.toISOString()}`)
  }
  return ok({ pem, leaf })
}

/** Bundles keep authorities that have expired beside others; one that holds nothing else trusts nobody. */
function parseAuthorities(text: string, now: EpochSeconds): Result<string, string> {
  const read = parseCertificates(text)
  if (!read.ok) return read
  const isOver = read.value.certificates.every(({ validToDate }) => secondsOf(validToDate) <= now)
  return isOver ? fail('holds only certificates that have expired') : ok(read.value.pem)
}

function parseCertificates(
  text: string,
): Result<{ readonly pem: string; readonly certificates: readonly X509Certificate[] }, string> {
  const blocks = readPemBlocks(text)
  if (!blocks.ok) return blocks
  const texts = blocks.value.filter(({ label }) => label === 'CERTIFICATE').map(block => block.text)
  if (texts.length === 0) return fail('holds no PEM certificate')
  try {
    return ok({
      pem: texts.join(''),
      certificates: texts.map(certificate => new X509Certificate(certificate)),
    })
  } catch {
    return fail('holds a certificate that cannot be read')
  }
}

function parsePrivateKey(text: string): Result<{ readonly pem: string; readonly object: KeyObject }, string> {
  const blocks = readPemBlocks(text)
  if (!blocks.ok) return blocks
  const [key, more] = blocks.value.filter(({ label }) => label.endsWith('PRIVATE KEY'))
  if (key === undefined) return fail('holds no PEM private key')
  if (more !== undefined) return fail('holds several private keys')
  if (/ENCRYPTED/.test(key.label) || /^Proc-Type: *4, *ENCRYPTED/m.test(key.text)) {
    return fail('holds a private key that is encrypted')
  }
  try {
    return ok({ pem: key.text, object: createPrivateKey(key.text) })
  } catch {
    return fail('holds a private key that cannot be read')
  }
}

/** Keys that are too short, and whatever else OpenSSL does not like. */
function refusalOfTls(pem: Pick<TlsPem, 'cert' | 'key' | 'ca'>): string | undefined {
  try {
    createSecureContext(pem)
    return undefined
  } catch (cause) {
    return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason'
  }
}

function secondsOf(date: Date): EpochSeconds {
  return date.getTime() / 1000
}
