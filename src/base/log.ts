/** Fields of a log line. Values are data, never tokens: what may hold one is a `Secret`, which prints as `[secret]`. */
export type LogFields = Readonly<Record<string, unknown>>

/** The operator's log: one JSON object a line on standard error. The audit trail is not here; see `hop/record`. */
export interface Log {
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** A log that writes JSON lines to a stream, standard error by default. */
export function createLog(
  service: string,
  write: (line: string) => void = line => process.stderr.write(line),
): Log {
  const at = (level: string) => (message: string, fields?: LogFields) => {
    write(
      `${JSON.stringify({ time: new Date().toISOString(), level, service, message, ...describe(fields) })}\n`,
    )
  }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

/**
 * The log of a whole process, on its standard error. When nobody reads that any more, what it would say is lost: that
 * is no reason for the process to end.
 */
export function createProcessLog(service: string, write: (line: string) => void): Log {
  process.stderr.on('error', () => {})
  return createLog(service, write)
}

/** A log that adds the same fields to every line. */
export function withFields(log: Log, added: LogFields): Log {
  return {
    info: (message, fields) => log.info(message, { ...added, ...fields }),
    warn: (message, fields) => log.warn(message, { ...added, ...fields }),
    error: (message, fields) => log.error(message, { ...added, ...fields }),
  }
}

/** A log that keeps nothing, for tests. */
export const silentLog: Log = { info() {}, warn() {}, error() {} }

function describe(fields: LogFields | undefined): Record<string, unknown> {
  const described: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields ?? {})) {
    described[name] = value instanceof Error ? `${value.name}: ${value.message}` : value
  }
  return described
}
