import manifest from '../../package.json' with { type: 'json' }

/** This program's version, from package.json; the bundle has it inside. */
export const release: string = manifest.version

/** The first Node release with the security fixes of October 2026 that concern a proxy. */
const patchedNode = '26.12.1'

/**
 * Whether the runtime lacks published security fixes.
 *
 * @param version as `process.versions.node` has it
 */
export function isOutdatedNode(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const [fixedMajor = 0, fixedMinor = 0, fixedPatch = 0] = patchedNode.split('.').map(Number)
  if (major !== fixedMajor) return major < fixedMajor
  return minor === fixedMinor ? patch < fixedPatch : minor < fixedMinor
}

/** The warning for an outdated runtime, or undefined. */
export function describeOutdatedNode(version: string): string | undefined {
  return isOutdatedNode(version)
    ? `Node ${version} lacks published security fixes; use ${patchedNode} or newer`
    : undefined
}
