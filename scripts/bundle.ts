import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { rolldown } from 'rolldown'
import { loadLate } from './late-modules.ts'
import { describeLicenses } from './third-party-licenses.ts'

const root = resolve(import.meta.dirname, '..')

/** Packages that only a clone of the repository has; `hopgate demo` says so where they are missing. */
const developmentOnly = ['oidc-provider']

/**
 * Libraries that most sidecars never call, or only after they listen: a file for each, loaded when it is called. Two of
 * them share `debug`.
 */
const lateLibraries = ['debug', '@marcbachmann/cel-js', 'http-proxy-3', 'ioredis', 'undici']

/** Parts of Node that take it milliseconds each to load, of which most sidecars use few. */
const lateBuiltins = ['node:child_process', 'node:http2', 'node:https', 'node:tls']

/**
 * Writes what `hopgate` runs, with its libraries, into an emptied folder: a small entry, one file for all that the
 * sidecar needs to start, files for the other commands and for what is loaded late, and the licences of what is inside.
 * docs/adr/0007-one-bundle.md says why.
 *
 * @throws Error for whatever the bundler warns of, such as a package that it did not find
 */
export async function writeBundle(folder: string): Promise<void> {
  await using bundle = await rolldown({
    input: join(root, 'src/main.ts'),
    cwd: root,
    platform: 'node',
    external: developmentOnly,
    plugins: [loadLate([...lateLibraries.map(name => `./${fileName(name)}.js`), ...lateBuiltins])],
    onwarn(warning) {
      throw new Error(warning.message)
    },
  })
  rmSync(folder, { recursive: true, force: true })
  const { output } = await bundle.write({
    dir: folder,
    // An ES module that imports node:http has Node load the whole of its fetch with it; `require` does not.
    format: 'cjs',
    chunkFileNames: '[name].js',
    codeSplitting: {
      groups: [
        ...lateLibraries.map(name => ({ name: fileName(name), test: contains(`/node_modules/${name}/`) })),
        { name: 'sidecar', test: contains('/src/cli/run.ts') },
      ],
    },
    sourcemap: true,
  })
  const modules = output.flatMap(file => (file.type === 'chunk' ? file.moduleIds : []))
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES'), describeLicenses(modules))
  // The package around it says `module`.
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n')
}

/** A library's file in the bundle, without its ending. */
function fileName(library: string): string {
  return library.replace(/^@.*\//, '')
}

function contains(part: string): (module: string) => boolean {
  return module => module.includes(part)
}
