import { dirname, relative } from 'node:path'
import { projectRoot } from '../support/source-files.ts'
import { type Position, sourcePosition } from './source-position.ts'

/** A CPU profile as V8 writes it, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: Position & { readonly functionName: string }
  }[]
  /** The node on top of the stack at each sample. */
  readonly samples: readonly number[]
  /** Microseconds between samples. */
  readonly timeDeltas: readonly number[]
}

/** Time that was spent in one place itself, without what it called. */
export interface SelfTime {
  readonly place: string
  readonly microseconds: number
}

/** What the profile knows of a function. */
interface Place {
  readonly functionName: string
  /** `lib/x.js:12` below its package, `node:http:12`, or nothing for the engine's own. */
  readonly position: string
  /** The package (WebAssembly is undici's HTTP parser), a module of Node, one of our folders, or the engine. */
  readonly home: string
}

/** Self times by function, the longest first, without the time in which there was nothing to do. */
export function selfTimesByFunction(profile: CpuProfile): readonly SelfTime[] {
  return selfTimes(profile, ({ functionName, position }) => `${functionName} ${position}`.trim())
}

/** Self times by package, module of Node or folder of ours, the longest first. */
export function selfTimesByHome(profile: CpuProfile): readonly SelfTime[] {
  return selfTimes(profile, ({ home }) => home)
}

function selfTimes(profile: CpuProfile, nameOf: (place: Place) => string): readonly SelfTime[] {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(placeOf(callFrame))]))
  const idle = new Set(
    profile.nodes.filter(({ callFrame }) => callFrame.functionName === '(idle)').map(({ id }) => id),
  )
  const totals = new Map<string, number>()
  for (const [index, id] of profile.samples.entries()) {
    if (idle.has(id)) continue
    const name = names.get(id) ?? '(unknown)'
    // A sample stands for the time until the next one.
    totals.set(name, (totals.get(name) ?? 0) + Math.max(0, profile.timeDeltas[index + 1] ?? 0))
  }
  return [...totals]
    .map(([place, microseconds]) => ({ place, microseconds }))
    .toSorted((a, b) => b.microseconds - a.microseconds)
}

function placeOf({ functionName, ...position }: CpuProfile['nodes'][number]['callFrame']): Place {
  const { url, lineNumber } = sourcePosition(position)
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') {
    return { functionName: name, position: '', home: name.startsWith('(') ? name : 'native functions' }
  }
  if (url.startsWith('wasm:')) return { functionName: name, position: 'wasm', home: 'undici' }
  const line = lineNumber + 1
  if (url.startsWith('node:')) return { functionName: name, position: `${url}:${line}`, home: url }
  const path = decodeURIComponent(new URL(url).pathname)
  const ofPackage = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)/.exec(path)
  if (ofPackage !== null) {
    const [, home = '', file = ''] = ofPackage
    return { functionName: name, position: `${home}/${file}:${line}`, home }
  }
  const own = path.startsWith(projectRoot) ? relative(projectRoot, path) : path
  return { functionName: name, position: `${own}:${line}`, home: dirname(own) }
}
