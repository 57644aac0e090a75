import { afterEach, describe, expect, it } from 'vitest'
import { requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'
import { until } from '../support/until.ts'
import { response } from '../support/upstream.ts'

const running: RunningHop[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map(hop => hop.close()))
})

async function start(limits: string): Promise<RunningHop> {
  const hop = await startHop({ more: `limits: ${limits}` })
  running.push(hop)
  return hop
}

const get = 'GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n'

function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('a sidecar with too much to do', () => {
  it('refuses a request too many, records that, and takes the next when there is room again', async () => {
    const hop = await start('{ requests: 1 }')
    let release = (): void => {}
    hop.upstream.answerWith(
      () =>
        new Promise(resolve => {
          release = () => resolve(response(200, 'ok'))
        }),
    )
    const first = requestRaw(hop.port, get)
    await hop.upstream.request()
    const second = await requestRaw(hop.port, get)
    expect(second.status).toBe(503)
    expect(second.header('retry-after')).toBe('1')
    expect(JSON.parse(second.text).code).toBe('sidecar.overloaded')
    expect(await hop.event(0)).toMatchObject({ refusal: 'sidecar.overloaded', status: 503 })
    release()
    expect((await first).status).toBe(200)
    hop.upstream.answerWith(response(200, 'ok'))
    expect((await requestRaw(hop.port, get)).status).toBe(200)
    expect(hop.upstream.requests).toHaveLength(2)
  })

  it('refuses while its event loop is late, and not for longer', async () => {
    const hop = await start('{ event_loop_delay: 100ms }')
    expect((await requestRaw(hop.port, get)).status).toBe(200)
    const late = requestRaw(hop.port, get)
    block(400)
    // The connection was opened before the loop was blocked, or after: then the request is sent while it is late still.
    const statuses = [(await late).status]
    for (let count = 0; statuses.at(-1) !== 503 && count < 20; count++) {
      const again = requestRaw(hop.port, get)
      await new Promise(resolve => setImmediate(resolve))
      block(400)
      statuses.push((await again).status)
    }
    expect(statuses).toContain(503)
    await until(async () => (await requestRaw(hop.port, get)).status === 200, 'requests pass again')
  })

  it('refuses when its memory is more than it may have', async () => {
    const hop = await start('{ memory: 32MiB }')
    await until(async () => (await requestRaw(hop.port, get)).status === 503, 'a refusal')
    expect(hop.upstream.requests.length).toBeLessThan(100)
  })
})
