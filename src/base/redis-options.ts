import { isIP } from 'node:net'
import type { Secret } from './secret.ts'

/** What every Redis client here has in common, by the names of the client library's options. */
export interface CommonRedisOptions {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly username?: string
  readonly password?: string
  readonly tls?: {
    readonly rejectUnauthorized: true
    readonly minVersion: 'TLSv1.2'
    readonly servername?: string
    readonly ca?: string
  }
  readonly protocol: 2
  readonly replyMapping: 'legacy'
  readonly enableOfflineQueue: false
  readonly autoResendUnfulfilledCommands: false
  readonly maxRetriesPerRequest: 0
  readonly disableClientInfo: true
}

/**
 * The client's options, spelled out from the URL: the library would also take options from its query, certificate
 * checks included. A command is answered by the connection of now or fails; nothing is queued or sent again.
 *
 * @param url `redis:` or `rediss:`, with user, password and database number where needed
 * @param ca PEM certificates that are trusted instead of the system's
 * @throws TypeError for a URL that is not one of Redis; the message does not quote it
 */
export function redisOptions(url: Secret, ca?: string): CommonRedisOptions {
  const { protocol, host, port, db, username, password } = readUrl(url)
  return {
    host,
    port,
    db,
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(protocol === 'rediss:' && {
      tls: {
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...(isIP(host) === 0 && { servername: host }),
        ...(ca !== undefined && { ca }),
      },
    }),
    protocol: 2,
    replyMapping: 'legacy',
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
  }
}

function readUrl(text: Secret) {
  const url = URL.parse(text.expose())
  if (url === null || url.hostname === '' || url.search !== '' || url.hash !== '') {
    throw new TypeError('the Redis address is not a URL of the form redis://user:password@host:port/number')
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new TypeError('the Redis address must start with redis: or rediss:')
  }
  const database = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1]
  if (database === undefined) throw new TypeError('the path of the Redis address must be a database number')
  return {
    protocol: url.protocol,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(database),
    username: decodePart(url.username),
    password: decodePart(url.password),
  }
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new TypeError('user or password in the Redis address are not percent-encoded well')
  }
}
