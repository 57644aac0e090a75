import { resolve } from 'node:path'
import { writeBundle } from './bundle.ts'

await writeBundle(resolve(import.meta.dirname, '../dist'))
