const registeredName =
  /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.?(?::(\d{1,5}))?$/
const ipv6 = /^\[[0-9A-Fa-f:.]{2,45}\](?::(\d{1,5}))?$/

const remembered = new Map<string, string | undefined>()
const rememberedLimit = 500

/**
 * Reads a `Host` field: the host in lower case without port and without a trailing dot, as routes are matched by it.
 *
 * @returns undefined for anything but one host and an optional port: user information, lists, paths, empty labels
 */
export function readHost(authority: string): string | undefined {
  if (remembered.has(authority)) return remembered.get(authority)
  if (remembered.size >= rememberedLimit) remembered.clear()
  const host = parseHost(authority)
  remembered.set(authority, host)
  return host
}

function parseHost(authority: string): string | undefined {
  if (authority.length > 261) return undefined
  const match = registeredName.exec(authority) ?? ipv6.exec(authority)
  if (match === null) return undefined
  const port = match[1]
  if (port !== undefined && (Number(port) === 0 || Number(port) > 65_535)) return undefined
  const host = port === undefined ? authority : authority.slice(0, -port.length - 1)
  return host.toLowerCase().replace(/\.$/, '')
}
