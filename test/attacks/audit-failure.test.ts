import { readFileSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/base/log.ts'
import { createAuditWriter } from '../../src/hop/record/audit-writer.ts'
import { readSamples } from '../support/metrics-text.ts'
import { expectNoToken } from '../support/no-token.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { until } from '../support/until.ts'

// Who wants to do something without a trace first takes the trail away: fills the disk that it is written to, or makes
// so much noise that the event of interest does not fit. The request must then not go through, or, where the operator
// preferred service over record, the loss must at least be counted. And the trail must heal by itself, without holes
// that nobody knows of.

const routes = `
  - { path: /refunds, methods: [POST], audience: orders-api, privileged: true }
  - { path: /orders, methods: [GET], audience: orders-api }`

let hop: RunningHop
afterEach(() => hop.close())

/** A sidecar whose audit file lies on a disk that can be full. */
async function startOnDisk(whenFull: 'refuse' | 'count', queue: number) {
  const folder = createTempFolder()
  const file = join(folder, 'audit.jsonl')
  const disk = join(folder, 'disk')
  const point = (target: string): void => {
    symlinkSync(target, `${file}.new`)
    renameSync(`${file}.new`, file)
  }
  symlinkSync(disk, file)
  const writer = createAuditWriter({ file, queue, log: silentLog })
  hop = await startHop({ routes, more: `audit: { when_full: ${whenFull} }`, auditWriter: writer })
  const token = await hop.issuer.sign()
  return {
    token,
    fill: () => {
      point('/dev/full')
      writer.reopen()
    },
    makeRoom: () => point(disk),
    isAccepting: () => writer.isAccepting(),
    /** Waits until this many events are on disk. */
    holds: (count: number) =>
      until(() => readFileSync(disk, 'utf8').split('\n').length > count, `${count} events are on disk`),
    async ask(path: string, method: string): Promise<number> {
      const headers = { authorization: `Bearer ${token}` }
      const answer = await fetch(`${hop.url}${path}`, { method, headers })
      await answer.arrayBuffer()
      return answer.status
    },
    /** The statuses on record, after everything that waits was written. */
    async recorded(): Promise<number[]> {
      await writer.close()
      const text = readFileSync(disk, 'utf8')
      expectNoToken(text, [token])
      return text
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line).data.status)
    },
    lost: async () =>
      readSamples(await (await fetch(`${hop.adminUrl}/metrics`)).text())('hopgate_audit_lost_total'),
  }
}

/** One request is noticed to be unwritable only after it went through; from then on nothing is taken for granted. */
async function fillAndNotice(trail: Awaited<ReturnType<typeof startOnDisk>>): Promise<void> {
  trail.fill()
  expect(await trail.ask('/orders', 'GET')).toBe(200)
  await until(() => !trail.isAccepting(), 'the full disk is noticed')
}

describe('a full disk under the audit trail', () => {
  it('lets nothing through where the trail comes first, and nothing is missing from it afterwards', async () => {
    const trail = await startOnDisk('refuse', 100)
    expect(await trail.ask('/orders', 'GET')).toBe(200)
    await trail.holds(1)
    await fillAndNotice(trail)
    const forwarded = hop.upstream.requests.length
    expect(await trail.ask('/orders', 'GET')).toBe(503)
    expect(await trail.ask('/refunds', 'POST')).toBe(503)
    expect(hop.upstream.requests).toHaveLength(forwarded)
    trail.makeRoom()
    await until(trail.isAccepting, 'the trail heals by itself')
    expect(await trail.ask('/refunds', 'POST')).toBe(200)
    expect(await trail.lost()).toBe(0)
    expect(await trail.recorded()).toEqual([200, 200, 503, 503, 200])
  })

  it('stops privileged routes where service comes first, and what does not fit is counted', async () => {
    const trail = await startOnDisk('count', 3)
    await fillAndNotice(trail)
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) statuses.push(await trail.ask('/orders', 'GET'))
    statuses.push(await trail.ask('/refunds', 'POST'))
    expect(statuses).toEqual([200, 200, 200, 200, 200, 503])
    await until(async () => (await trail.lost()) === 4, 'four of seven events did not fit')
    trail.makeRoom()
    await until(trail.isAccepting, 'the trail heals by itself')
    expect(await trail.ask('/refunds', 'POST')).toBe(200)
    expect(await trail.recorded()).toEqual([200, 200, 200, 200])
  })
})

describe('a trail with room', () => {
  it('holds exactly one event for each request, however many come at once', async () => {
    const trail = await startOnDisk('refuse', 10_000)
    const asked = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        i % 4 === 0 ? trail.ask('/nowhere', 'GET') : trail.ask('/orders', 'GET'),
      ),
    )
    await trail.holds(asked.length)
    expect((await trail.recorded()).toSorted()).toEqual(asked.toSorted())
  })
})
