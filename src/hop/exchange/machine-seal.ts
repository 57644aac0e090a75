import { scryptSync } from 'node:crypto'
import type { ClientCredentials } from '../../config/sidecar-config.ts'

/**
 * The key from which the entries of the workload's own tokens are sealed in Redis: derived from the client's secret, slowly,
 * so that an entry does not serve to guess a weak one. The same for all replicas that have the secret.
 *
 * @returns undefined for a client without a secret: its tokens are kept in memory only
 */
export function deriveMachineSeal(client: ClientCredentials, server: string): Buffer | undefined {
  if (!('secret' in client)) return undefined
  const salt = JSON.stringify(['hopgate machine seal 1', server, client.id])
  return scryptSync(client.secret.expose(), salt, 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 })
}
