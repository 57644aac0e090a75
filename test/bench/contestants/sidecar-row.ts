import type { Contestant, Proof, Target } from '../contestant.ts'
import { prepareSidecar, requireKnown, type Sections } from '../hopgate-config.ts'
import { ordinaryRequest, type RequestKind } from '../request-kinds.ts'
import type { Site } from '../site.ts'

/** One row of ours: one kind of request to one configuration. */
export interface SidecarRow {
  readonly name: string
  readonly title: string
  readonly measurement?: Contestant['measurement']
  readonly programs?: readonly string[]
  readonly request?: RequestKind
  /** What is different about its configuration, for the address that it listens on. */
  readonly sections?: (
    site: Site,
    started: AsyncDisposableStack,
    listen: string,
  ) => Sections | Promise<Sections>
  /** Where the issued tokens must come from. */
  readonly source?: Proof['source']
  /** How many issued tokens must be there before anything is measured. */
  readonly tokens?: number
  readonly targets?: readonly Target[]
}

/** The contestant that a row describes. */
export function sidecarRow(row: SidecarRow): Contestant {
  const {
    name,
    title,
    measurement = 'requests',
    programs = [],
    request = ordinaryRequest,
    targets = [],
  } = row
  return {
    name,
    title,
    measurement,
    programs,
    targets,
    async prepare(site, started) {
      const { process, adminPort } = await prepareSidecar(
        site,
        started,
        async listen => (await row.sections?.(site, started, listen)) ?? {},
      )
      requireKnown(site, process)
      return {
        processes: [process],
        load: await request(site, process.port),
        ...(row.source !== undefined && { proof: { adminPort, source: row.source } }),
        ...(row.tokens !== undefined && { fill: { adminPort, tokens: row.tokens } }),
      }
    },
  }
}
