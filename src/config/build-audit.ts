import type { FileReader } from './file-reader.ts'
import type { AuditInput } from './runtime-schema.ts'
import type { AuditConfig } from './sidecar-config.ts'

/** Turns a validated `audit` into its configuration. */
export function buildAudit(input: AuditInput, files: Pick<FileReader, 'resolve'>): AuditConfig {
  return {
    file: input.file === undefined ? undefined : files.resolve(input.file),
    queue: input.queue,
    whenFull: input.when_full,
  }
}
