import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Secret } from '../../base/secret.ts'

/** The demo's files: keys, audit trails, tokens for curl. A folder of its owner alone, gone with the process. */
export interface DemoFolder {
  readonly path: string
  /** Makes a key pair for `private_key_jwt`: `NAME.private.jwk` and, for the hub, `NAME.public.jwks`. */
  writeClientKeys(client: string): void
  /**
   * Writes a token as a header for `curl -H @FILE`, so that it is in no command line and on no screen.
   *
   * @returns the file's path
   */
  writeAuthorization(name: string, token: Secret): string
  /** The audit events of a sidecar or the hub so far. */
  readAudit(name: string): readonly Readonly<Record<string, unknown>>[]
  remove(): void
}

/** Makes the folder. */
export function createDemoFolder(): DemoFolder {
  const path = mkdtempSync(join(tmpdir(), 'hopgate-demo-'))
  const remove = () => rmSync(path, { recursive: true, force: true })
  process.once('exit', remove)

  const write = (name: string, text: string): string => {
    const file = join(path, name)
    // A reader of the old content is never shown half of the new.
    writeFileSync(`${file}.new`, text, { mode: 0o600 })
    renameSync(`${file}.new`, file)
    return file
  }
  return {
    path,
    writeClientKeys(client) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const common = { kid: randomUUID(), alg: 'ES256', use: 'sig' }
      write(`${client}.private.jwk`, JSON.stringify({ ...privateKey.export({ format: 'jwk' }), ...common }))
      const keys = [{ ...publicKey.export({ format: 'jwk' }), ...common }]
      write(`${client}.public.jwks`, JSON.stringify({ keys }))
    },
    writeAuthorization: (name, token) => write(name, `Authorization: Bearer ${token.expose()}\n`),
    readAudit(name) {
      const text = readFileSync(join(path, `${name}.audit`), 'utf8')
      // What follows the last line end is still being written.
      const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
      return lines
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as Readonly<Record<string, unknown>>)
    },
    remove() {
      process.off('exit', remove)
      remove()
    },
  }
}
