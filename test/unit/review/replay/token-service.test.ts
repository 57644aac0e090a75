import { describe, expect, it } from 'vitest'
import { createTokenEventWriter } from '../../../../src/hub/token-event-line.ts'
import { createReplay } from '../../../../src/review/replay/replay.ts'
import { parseTestPolicy } from '../../../support/policy.ts'
import {
  createTestTokenService,
  ordersSecret,
  secretAuthentication,
  tokenServiceIssuer,
} from '../../../support/token-service.ts'

const text = `
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read, orders:refund], served_by: [orders] } }
rules:
  - { id: read, who: { client: [orders] }, for: { kind: [user] }, into: own, scopes: [orders:read] }
  - { id: itself, mode: machine, who: { client: [orders] }, into: own, scopes: [orders:read] }
`

describe('a replay of what the token service recorded', () => {
  it('finds every decision as before under the same policy, and otherwise under another', async () => {
    const policy = parseTestPolicy(text)
    const service = await createTestTokenService({
      config: { policy },
      clients: [
        {
          id: 'orders',
          authentication: secretAuthentication(ordersSecret),
          accepts: ['shop-web'],
          audiences: undefined,
        },
      ],
    })
    const statuses = [
      await service.exchange({ scope: 'orders:read' }),
      await service.exchange({ scope: 'orders:refund' }),
      await service.exchange({
        subject_token: await service.subjectToken({ subject_kind: 'machine' }),
        scope: 'orders:read',
      }),
      await service.post({ grant_type: 'client_credentials', audience: 'orders-api', scope: 'orders:read' }),
      await service.post({ grant_type: 'nonsense' }),
    ].map(({ status }) => status)
    expect(statuses.map(status => status === 200)).toEqual([true, false, false, true, false])
    const write = createTokenEventWriter(tokenServiceIssuer)
    const lines = service.events.map(event => write(event))
    const replay = (document: typeof policy) => {
      const all = createReplay(document)
      for (const [index, line] of lines.entries()) all.take('hub.jsonl', index + 1, line)
      return all.report()
    }
    expect(replay(policy)).toMatchObject({
      decisions: 4,
      others: 1,
      badLines: 0,
      counts: { 'as-before': 4, otherwise: 0, undecidable: 0 },
    })
    const machines = parseTestPolicy(
      text
        .replace('kind: [user]', 'kind: [machine]')
        .replace('mode: machine', 'mode: impersonation, for: {}'),
    )
    expect(replay(machines).groups.map(({ before, after }) => `${before} → ${after}`)).toEqual([
      'permit by read → deny by read',
      'deny by read → permit by read',
      'permit by itself → deny by no rule',
    ])
  })
})
