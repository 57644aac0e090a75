import { readTlsFiles, type TlsFiles } from '../base/tls-files.ts'
import type { StsSection } from './check-sts.ts'
import type { DocumentPath } from './config-problem.ts'
import type { FileReader } from './file-reader.ts'
import type { HubInput } from './hub-schema.ts'
import type { HubListenInput, ListenInput } from './listen-schema.ts'
import type { ConfigDocument } from './read-document.ts'
import type { SidecarInput } from './sidecar-schema.ts'

/** Reports TLS files that cannot be used, so that a sidecar neither starts nor reloads with one. */
export function checkTlsFiles(document: ConfigDocument<SidecarInput>): void {
  const check = createCheck(document)
  const { listen, upstream, exchange, sts } = document.parts
  checkListen(listen, check)
  if (upstream !== undefined && !(upstream instanceof URL) && upstream.tls !== undefined) {
    const { cert, key, ca } = upstream.tls
    check({ cert, key, ca }, ['upstream', 'tls'])
  }
  if (exchange?.tls !== undefined) check(exchange.tls, ['exchange', 'tls'])
  checkWorkloads(sts ?? {}, check)
}

/** The same for a hub. */
export function checkHubTlsFiles(document: ConfigDocument<HubInput>): void {
  const check = createCheck(document)
  checkListen(document.parts.listen, check)
  checkWorkloads(document.parts.sts ?? {}, check)
}

type Check = (named: TlsFiles, path: DocumentPath, keys?: Readonly<Record<keyof TlsFiles, string>>) => void

function createCheck({ files, report }: Pick<ConfigDocument<unknown>, 'files' | 'report'>): Check {
  return (named, path, keys = sameKeys) => {
    const read = readTlsFiles(resolveAll(named, files), Date.now() / 1000)
    if (read.ok) return
    for (const { part, wrong } of read.error) {
      report.add({ path: [...path, keys[part]], found: `a file that ${wrong}`, expected: expected[part] })
    }
  }
}

function checkListen(listen: ListenInput | HubListenInput | undefined, check: Check): void {
  if (listen === undefined || !('address' in listen) || listen.tls === undefined) return
  const { cert, key, client_ca: ca } = listen.tls
  check({ cert, key, ca }, ['listen', 'tls'], { ...sameKeys, ca: 'client_ca' })
}

function checkWorkloads({ clusters = [], trust_domains = [] }: StsSection, check: Check): void {
  for (const [index, cluster] of clusters.entries()) {
    if (cluster?.ca !== undefined) check({ ca: cluster.ca }, ['sts', 'clusters', index])
  }
  for (const [index, domain] of trust_domains.entries()) {
    const path = ['sts', 'trust_domains', index]
    if (domain?.ca !== undefined) check({ ca: domain.ca }, path)
    const { authorities } = domain ?? {}
    if (authorities !== undefined) check({ ca: authorities }, path, { ...sameKeys, ca: 'authorities' })
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
