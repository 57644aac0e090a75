import { resolve } from 'node:path'
import { fail, ok, type Result } from '../base/result.ts'
import { readTextFile } from '../base/text-file.ts'

/**
 * The text of a configuration and of the files that it takes in, by absolute path, as they were when it was read.
 * Processes that read these instead of the files cannot see two versions. There are secrets among them.
 */
export type ConfigTexts = Readonly<Record<string, string>>

/** Reads the text of a file, wherever it comes from. The error follows "a file that". */
export type ReadText = (file: string) => Result<string, string>

/** Reads files, and keeps what was read. */
export function keepTexts(): { readonly read: ReadText; readonly texts: ConfigTexts } {
  const texts: Record<string, string> = {}
  return {
    texts,
    read(file) {
      const text = readTextFile(file)
      if (text.ok) texts[resolve(file)] = text.value
      return text
    },
  }
}

/** Reads what was kept, and no file. */
export function readKeptTexts(texts: ConfigTexts): ReadText {
  return file => {
    const text = Object.hasOwn(texts, resolve(file)) ? texts[resolve(file)] : undefined
    return text === undefined ? fail('was not read') : ok(text)
  }
}
