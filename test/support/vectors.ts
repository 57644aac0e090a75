import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'vitest'

/** Test data from elsewhere, read in place beside the project. */
const folder = new URL('../../../shared/vectors/', import.meta.url)

/**
 * Runs a suite on one file of test vectors. When the file is not on this machine, the run says so on the console and
 * in the name of a skipped test.
 *
 * @param path below the vectors folder, such as `wycheproof/json_web_key_test.json`
 */
export function describeVectors<T>(path: string, suite: (vectors: T) => void): void {
  const file = new URL(path, folder)
  describe(path, () => {
    if (existsSync(file)) return suite(JSON.parse(readFileSync(file, 'utf8')) as T)
    console.warn(`test vectors are absent: ${path} is not in ../shared/vectors`)
    it.skip(`NOT RUN: ${path} is not in ../shared/vectors`, () => {})
  })
}
