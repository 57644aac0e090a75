import type { StsClient } from '../../src/config/sidecar-config.ts'
import { grantType } from '../../src/oauth/grant-type.ts'
import { basic, ordersSecret, secretAuthentication } from './token-service.ts'

export const workerSecret = 'worker-secret'
export const asWorker = basic('worker', workerSecret)
export const asOrders = basic('orders', ordersSecret)

/**
 * Clients for the grants beside token exchange: `orders` has every grant, `worker` asks for itself only, and `web` has
 * none that it was not given.
 */
export function machineClients(): StsClient[] {
  return [
    {
      id: 'orders',
      authentication: secretAuthentication(ordersSecret),
      grants: Object.values(grantType),
      accepts: ['shop-web'],
      audiences: new Map([
        ['orders-api', { scope: ['orders:read', 'orders:refund'], ttlSeconds: 60 }],
        [
          'billing',
          { scope: ['orders:read'], resources: ['https://billing.example/'], ttlSeconds: undefined },
        ],
        ['shop.example', { scope: ['orders:read', 'orders:refund'], ttlSeconds: undefined }],
      ]),
    },
    {
      id: 'worker',
      authentication: secretAuthentication(workerSecret),
      grants: [grantType.clientCredentials],
      accepts: [],
      audiences: new Map([['jobs-api', { scope: ['reports:write'], ttlSeconds: undefined }]]),
    },
    {
      id: 'billing',
      authentication: secretAuthentication('billing-secret'),
      accepts: [],
      audiences: new Map([
        ['ledger', { scope: ['orders:read'], ttlSeconds: undefined }],
        ['shop.example', { scope: ['orders:read', 'orders:refund'], ttlSeconds: undefined }],
      ]),
    },
  ]
}
