// `npm run test:containers`: builds the image, looks at it, and runs deploy/compose for real. Not part of `npm test`:
// it needs a Docker engine, or root on Debian to start one. Everything that it made is gone afterwards.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { prepareBaseImages } from './base-images.ts'
import { buildImage } from './build-image.ts'
import { createChecklist } from './checklist.ts'
import { checkCompose } from './compose-checks.ts'
import { startComposeProject } from './compose-project.ts'
import { findOrStartEngine } from './engine.ts'
import { checkImage } from './image-checks.ts'

const limitMs = 600_000
const root = resolve(import.meta.dirname, '../..')
const image = `hopgate-test/image:${process.pid}`
const say = (text: string) => void process.stdout.write(`${text}\n`)
const checklist = createChecklist(say)

/** What was made and must go, the last thing first. */
const cleanups: (() => Promise<unknown> | unknown)[] = []
const onCleanup = (clean: () => Promise<unknown> | unknown) => void cleanups.push(clean)

async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hopgate-containers-'))
  onCleanup(() => rmSync(folder, { recursive: true, force: true }))
  const engine = await findOrStartEngine(join(folder, 'engine'), say)
  onCleanup(engine.stop)
  const removeImage = (name: string) => onCleanup(() => engine.docker(['image', 'rm', '--force', name]))

  const base = await prepareBaseImages(engine, root, folder, say)
  for (const name of base.added) removeImage(name)

  say('building the image …')
  removeImage(image)
  for (const stage of await buildImage(engine, base, root, image)) removeImage(stage)
  say('the image')
  await checkImage(engine, checklist, image, base.node, folder, onCleanup)

  say('starting deploy/compose …')
  const project = await startComposeProject({ engine, image, base, root, folder, onCleanup })
  say('deploy/compose')
  await checkCompose(checklist, project)
}

const interrupted = new Promise<never>((_, reject) => {
  setTimeout(() => reject(new Error(`not done within ${limitMs / 60_000} minutes`)), limitMs)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => reject(new Error(`ended by ${signal}`)))
  }
})

let isStopped = false
try {
  await Promise.race([run(), interrupted])
} catch (error) {
  isStopped = true
  say(`FAILED: ${error instanceof Error ? error.message : String(error)}`)
}
for (const clean of cleanups.reverse()) {
  try {
    await clean()
  } catch (error) {
    isStopped = true
    say(`FAILED to clean up: ${error instanceof Error ? error.message : String(error)}`)
  }
}
say(`${checklist.passed} passed, ${checklist.failed + Number(isStopped)} failed`)
process.exit(isStopped || checklist.failed > 0 || checklist.passed === 0 ? 1 : 0)
