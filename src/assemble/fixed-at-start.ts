import { isDeepStrictEqual } from 'node:util'
import type { SidecarConfig } from '../config/sidecar-config.ts'

/** What processes, sockets and files hold on to, and a reload therefore cannot change. */
const fixedAtStart = ['service', 'listen', 'admin', 'workers', 'limits', 'timeouts', 'audit'] as const

/** Why a configuration cannot follow another without a restart; undefined when it can. */
export function findFixedChange(running: SidecarConfig, next: SidecarConfig): string | undefined {
  const fixed = fixedAtStart.find(part => !isDeepStrictEqual(running[part], next[part]))
  return fixed && `${fixed}: changes with a restart only`
}
