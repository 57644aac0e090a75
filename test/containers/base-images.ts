import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Engine } from './engine.ts'
import { findProgram, runCommand, tryCommand } from './shell.ts'

/** The images that everything here starts from, by the names that this engine knows them by. */
export interface BaseImages {
  readonly node: string
  readonly redis: string
  /** Names of images that this run made or pulled. */
  readonly added: readonly string[]
  /** Whether {@link node} is not the image that the Dockerfile names. */
  readonly isStandIn: boolean
}

const standIn = 'hopgate-test/stand-in'

/**
 * Finds or pulls the images that the Dockerfile and the compose file name. Without a registry, one stand-in takes the
 * place of both: Debian from its package mirror, with this machine's Node, npm, certificates and Redis.
 */
export async function prepareBaseImages(
  engine: Engine,
  root: string,
  folder: string,
  say: (text: string) => void,
): Promise<BaseImages> {
  const node = readDefault(join(root, 'Dockerfile'), /^ARG NODE_IMAGE=(\S+)$/m)
  const redis = readDefault(join(root, 'deploy/compose/compose.yaml'), /\$\{REDIS_IMAGE:-([^}]+)\}/)
  const added: string[] = []
  const isThere = async (image: string) => {
    if (await hasImage(engine, image)) return true
    if (await canPull(engine, image)) return added.push(image) > 0
    return false
  }
  if ((await isThere(node)) && (await isThere(redis))) {
    say(`base images: ${node}, ${redis}`)
    return { node, redis, added, isStandIn: false }
  }
  say(`STAND-IN for ${node} and ${redis}, which cannot be pulled here:`)
  say(
    `  Debian bookworm from its mirror with this machine's Node ${process.version}, npm and CA certificates`,
  )
  if (!(await hasImage(engine, standIn))) {
    await makeStandIn(engine, folder)
    added.push(standIn)
  }
  return { node: standIn, redis: standIn, added, isStandIn: true }
}

async function hasImage(engine: Engine, image: string): Promise<boolean> {
  return await engine.docker(['image', 'inspect', image]).then(
    () => true,
    () => false,
  )
}

async function canPull(engine: Engine, image: string): Promise<boolean> {
  return await engine.docker(['pull', '--quiet', image], { timeoutMs: 150_000 }).then(
    () => true,
    () => false,
  )
}

function readDefault(file: string, pattern: RegExp): string {
  const found = pattern.exec(readFileSync(file, 'utf8'))?.[1]
  if (found === undefined) throw new Error(`${file} names no image where it is expected to`)
  return found
}

async function makeStandIn(engine: Engine, folder: string): Promise<void> {
  if (findProgram('debootstrap') === undefined) throw new Error('debootstrap is not here')
  const rootfs = join(folder, 'rootfs')
  const packages = 'ca-certificates,libatomic1,redis-server'
  const mirror = process.env['DEBIAN_MIRROR'] ?? 'http://deb.debian.org/debian'
  await runCommand(
    'debootstrap',
    ['--variant=minbase', `--include=${packages}`, 'bookworm', rootfs, mirror],
    { timeoutMs: 300_000 },
  )
  const modules = join(rootfs, 'usr/local/lib/node_modules')
  mkdirSync(modules, { recursive: true })
  cpSync(realpathSync(process.execPath), join(rootfs, 'usr/local/bin/node'))
  cpSync(findNpm(), join(modules, 'npm'), { recursive: true })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(rootfs, 'usr/local/bin/npm'))
  const certificates = '/etc/ssl/certs/ca-certificates.crt'
  if (existsSync(certificates)) cpSync(certificates, join(rootfs, certificates), { dereference: true })
  for (const cache of ['var/cache/apt/archives', 'var/lib/apt/lists']) {
    rmSync(join(rootfs, cache), { recursive: true, force: true })
  }
  const registry = (await tryCommand('npm', ['config', 'get', 'registry'])).stdout.trim()
  const environment = [
    `NODE_EXTRA_CA_CERTS=${certificates}`,
    ...(registry === '' ? [] : [`npm_config_registry=${registry}`]),
  ]
  const archive = join(folder, 'rootfs.tar')
  await runCommand('tar', ['-C', rootfs, '-cf', archive, '.'])
  const changes = environment.flatMap(setting => ['--change', `ENV ${setting}`])
  await engine.docker(['import', ...changes, '--change', 'CMD ["node"]', archive, standIn])
  rmSync(archive)
  rmSync(rootfs, { recursive: true, force: true })
}

/** The folder of the npm that runs this script, or of the one on the search path. */
function findNpm(): string {
  const running = process.env['npm_execpath']
  const script = running?.endsWith('npm-cli.js') ? running : findProgram('npm')
  if (script === undefined) throw new Error('npm is not here')
  return dirname(dirname(realpathSync(script)))
}
