import type { BaseImages } from './base-images.ts'
import type { Engine } from './engine.ts'

/**
 * Builds the image from the Dockerfile in `root`.
 *
 * @returns ids of the stages that the older builder leaves behind; newer ones leave none
 */
export async function buildImage(
  engine: Engine,
  base: BaseImages,
  root: string,
  image: string,
): Promise<readonly string[]> {
  const before = await listDangling(engine)
  // The stand-in knows this machine's way to the registry, which may not lead through a container's network.
  const network = base.isStandIn ? ['--network', 'host'] : []
  const options = ['--build-arg', `NODE_IMAGE=${base.node}`, '--force-rm', '--tag', image]
  const said = await engine.docker(['build', ...network, ...options, root], { timeoutMs: 300_000 })
  const steps = new Set([...said.matchAll(/^ ---> ([0-9a-f]{12})$/gm)].map(([, id]) => id))
  return (await listDangling(engine)).filter(id => steps.has(id) && !before.includes(id))
}

async function listDangling(engine: Engine): Promise<string[]> {
  const ids = await engine.docker(['image', 'ls', '--quiet', '--filter', 'dangling=true'])
  return ids.split('\n').filter(id => id !== '')
}
