import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { generatedFiles } from '../src/config/generated-files.ts'

for (const [file, render] of Object.entries(generatedFiles)) {
  writeFileSync(resolve(import.meta.dirname, '..', file), render())
  process.stdout.write(`${file}\n`)
}
