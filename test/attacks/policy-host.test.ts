import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requestRaw } from '../support/raw-client.ts'
import { type RunningHop, startHop } from '../support/start-hop.ts'

/**
 * A policy keeps a host out by its name, and the caller spells the name another way: in capitals, with the port, with
 * the dot of a full name. Routes and upstream take all of these for the same host, so the policy must, too.
 */

let hop: RunningHop
let token: string

beforeAll(async () => {
  hop = await startHop({
    routes: `
  - { path: /orders, audience: orders-api, allow: request.host != "admin.test" }
`,
  })
  token = await hop.issuer.sign()
})
afterAll(() => hop.close())

async function statusFor(host: string): Promise<number | undefined> {
  const request = `GET /orders HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`
  return (await requestRaw(hop.port, request)).status
}

describe('a host that a policy excludes', () => {
  it.each(['admin.test', 'ADMIN.test', 'admin.test:80', 'admin.test.', 'Admin.Test.:8443'])(
    'is denied when it is written %s',
    async host => {
      expect(await statusFor(host)).toBe(403)
    },
  )

  it.each(['orders.test', 'admin.test.example', 'xadmin.test:80'])('is not taken for %s', async host => {
    expect(await statusFor(host)).toBe(200)
  })
})
