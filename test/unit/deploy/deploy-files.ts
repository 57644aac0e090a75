import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { projectRoot } from '../../support/source-files.ts'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** The text of a file of the project. */
export function readProjectFile(path: string): string {
  return readFileSync(join(projectRoot, path), 'utf8')
}

/** A YAML file of the project as plain data, anchors and merges resolved. */
export function readYaml(path: string): Record<string, unknown> {
  return parse(readProjectFile(path), { merge: true })
}

/** A value deep in plain data; undefined when the way there breaks off. */
export function dig(value: unknown, ...path: (string | number)[]): unknown {
  let at = value
  for (const step of path) at = (at as Record<string | number, unknown> | undefined)?.[step]
  return at
}

const publicKeySet = JSON.stringify({
  keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }],
})

/**
 * The text of a configuration with every file below /run replaced by one that exists here, and its path.
 *
 * @returns also the folder, for the caller to remove
 */
export function localizeConfig(path: string): { text: string; file: string; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'hopgate-deploy-'))
  // What lies beside it, and what the pods mount from ../policy.
  const beside = [join(path, '../policy.yaml'), 'deploy/kubernetes/policy/policy.yaml']
  const policy = beside.find(one => existsSync(join(projectRoot, one)))
  if (policy !== undefined) writeFileSync(join(folder, 'policy.yaml'), readProjectFile(policy))
  const readable = readProjectFile(path).replaceAll('/etc/hopgate-policy/', `${folder}/`)
  const text = readable.replace(/\/run\/[\w./-]+/g, name => {
    const local = join(folder, name.replaceAll('/', '_'))
    mkdirSync(folder, { recursive: true })
    writeFileSync(local, /redis/.test(name) ? 'redis://:password@redis:6379\n' : publicKeySet)
    return local
  })
  return { text, file: join(folder, 'hopgate.yaml'), folder }
}
