import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** The project's root folder. */
export const projectRoot: string = join(import.meta.dirname, '..', '..')

export interface SourceFile {
  /** Path below the project's root, such as `src/hop/hop.ts`. */
  readonly path: string
  readonly text: string
  /** Project files that it imports, types included. */
  readonly imports: readonly string[]
  /** Packages and built-in modules that it imports. */
  readonly packages: readonly string[]
}

/** Every source file, with what it imports: a linear scan of the import statements. */
export function readSourceFiles(): SourceFile[] {
  return globSync('src/**/*.ts', { cwd: projectRoot })
    .sort()
    .map(path => {
      const text = readFileSync(join(projectRoot, path), 'utf8')
      const specifiers = [...text.matchAll(/(?:\bfrom|\bimport\(|^import)\s*'([^']+)'/gm)].map(
        match => match[1] ?? '',
      )
      return {
        path,
        text,
        imports: specifiers
          .filter(specifier => specifier.startsWith('.') && specifier.endsWith('.ts'))
          .map(specifier => normalize(join(dirname(path), specifier))),
        packages: specifiers.filter(specifier => !specifier.startsWith('.')).map(packageName),
      }
    })
}

function packageName(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}
