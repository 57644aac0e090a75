import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { generatedFiles } from '../src/config/generated-files.ts'
import { describeMetrics } from '../src/hop/record/metrics-docs.ts'

for (const [file, render] of Object.entries({ ...generatedFiles, 'docs/metrics.md': describeMetrics })) {
  writeFileSync(resolve(import.meta.dirname, '..', file), render())
  process.stdout.write(`${file}\n`)
}
