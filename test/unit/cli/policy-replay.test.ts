import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { mostLineBytes } from '../../../src/base/read-lines.ts'
import { policy } from '../../../src/cli/policy.ts'
import { createCloudEventWriter } from '../../../src/hop/record/cloud-event.ts'
import { anAuditEvent, inboundFacts } from '../../support/audit-event.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

const rules = `
clients: { orders: { kind: service } }
audiences: { orders-api: { scopes: [orders:read], served_by: [orders] } }
rules: [{ id: own, who: { kind: [service] }, for: { kind: [user] }, into: own }]
`
const sidecar = `
service: orders
upstream: http://127.0.0.1:3000
issuers: [{ issuer: https://login.test, audience: [shop-web] }]
exchange: { server: https://hub.test, client: { secret: "\${ORDERS_REPLAY_SECRET}" } }
routes: [{ path: /orders/**, name: orders, audience: orders-api, scope: orders:read }]
`
const write = createCloudEventWriter('orders')
const permitted = write(
  anAuditEvent({
    inbound: inboundFacts({ actors: [] }),
    decision: { rule: 'own', effect: 'permit', mode: 'delegation' },
  }),
)
const denied = write(
  anAuditEvent({
    route: 'orders',
    outcome: 'refused',
    inbound: inboundFacts({ actors: [] }),
    outbound: undefined,
    decision: { rule: 'strict', effect: 'deny' },
  }),
)

async function run(lines: string, ...args: string[]) {
  const folder = createTempFolder()
  const [audit, rulesFile, config] = ['audit.jsonl', 'policy.yaml', 'orders.yaml'].map(name =>
    join(folder, name),
  ) as [string, string, string]
  writeFileSync(audit, lines)
  writeFileSync(rulesFile, rules)
  writeFileSync(config, sidecar)
  let out = ''
  let err = ''
  const filled = args.map(arg => ({ AUDIT: audit, POLICY: rulesFile, CONFIG: config })[arg] ?? arg)
  const code = await policy(['replay', ...filled], {
    stdout: { write: text => (out += text) },
    stderr: { write: text => (err += text) },
  })
  return { code, out, err }
}

describe('hopgate policy replay', () => {
  it('reads an audit trail line by line, whatever its lines are', async () => {
    const lines = `${permitted}\n\n${'x'.repeat(mostLineBytes + 1)}\nno json\r\n${permitted}`
    const { code, out } = await run(lines, '--audit', 'AUDIT', '--policy', 'POLICY')
    expect(code).toBe(0)
    expect(out).toContain('2 decisions: 2 as before')
    expect(out).toMatch(/audit\.jsonl:3: too long\n.*audit\.jsonl:4: no JSON object/)
  })

  it('takes from a configuration what the record of a denial does not hold', async () => {
    const without = await run(denied, '--audit', 'AUDIT', '--policy', 'POLICY', '--json')
    expect(JSON.parse(without.out)).toMatchObject({ counts: { undecidable: 1, otherwise: 0 } })
    const args = ['--audit', 'AUDIT', '--policy', 'POLICY', '--config', 'CONFIG']
    const { code, out } = await run(denied, ...args, '--json')
    expect(JSON.parse(out)).toMatchObject({
      counts: { undecidable: 0, otherwise: 1 },
      groups: [{ before: 'deny by strict', after: 'permit by own' }],
    })
    expect(code).toBe(0)
    expect((await run(denied, ...args, '--fail-on', 'otherwise')).code).toBe(1)
  })

  it('exits 1 for a file that cannot be read, and 2 for options that it does not know', async () => {
    expect(await run('', '--audit', '/nowhere', '--policy', 'POLICY')).toMatchObject({
      code: 1,
      err: '/nowhere: cannot be read (ENOENT)\n',
    })
    expect((await run('', '--audit', 'AUDIT', '--policy', '/nowhere')).code).toBe(1)
    for (const args of [
      [],
      ['--audit', 'AUDIT'],
      ['--policy', 'POLICY', '--audit', 'AUDIT', '--fail-on', 'x'],
    ]) {
      expect((await run('', ...args)).code).toBe(2)
    }
  })
})
